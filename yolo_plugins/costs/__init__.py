"""From the files of finished runs to tables, laws and figures; no torch, except in `complexity`."""
