"""Time: the compiled event engine. Arrays in, arrays out."""
