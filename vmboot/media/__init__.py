"""Boot media as bytes: loaders, scripts, FAT and ISO images, and what is on any of them."""
