"""What a test found, told to a reader: the page of one model or of two, and files in COCO's format."""
