"""What a ticket is: numpy in, numpy out. No torch, no files; see records/ for the values that flow."""
