"""What every page of results is made of: its form, sortable tables, the colours of its plots. No network is asked."""
