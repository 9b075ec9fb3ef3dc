"""Names of classes that mean the same in the data sets of detection: VOC, COCO, Objects365, Open Images, one's own."""

import re

_SYNONYMS = (  # of each line, any name stands for any other
    ("airplane", "aeroplane", "plane"),
    ("car", "automobile"),
    ("cell phone", "mobile phone"),
    ("couch", "sofa"),
    ("cow", "cattle"),
    ("dining table", "kitchen & dining room table"),
    ("donut", "doughnut"),
    ("hair drier", "hair dryer"),
    ("motorcycle", "motorbike"),
    ("person", "people", "human", "pedestrian"),
    ("potted plant", "houseplant"),
    ("refrigerator", "fridge"),
    ("traffic light", "traffic signal"),
    ("tv", "tv monitor", "television"),
)


def _plain(name: str) -> str:
    """The letters and digits of a name alone: `Potted_Plant` is `potted plant` is `pottedplant`."""
    return re.sub(r"[\W_]+", "", name.casefold())


_FIRST = {_plain(name): _plain(names[0]) for names in _SYNONYMS for name in names}


def meaning(name: str) -> str:
    """What is equal for names that mean the same."""
    plain = _plain(name)
    return _FIRST.get(plain, plain) or name
