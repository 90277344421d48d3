"""What pictures show: labels of a classifier, and the text that can be read in them."""
