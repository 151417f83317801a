"""A ticket in the forms that other programs read; `exchange.formats` lists them."""
