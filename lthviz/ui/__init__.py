"""What the pages share: the frame around a page, its address, pickers, forms made from settings, and how a figure is shown."""
