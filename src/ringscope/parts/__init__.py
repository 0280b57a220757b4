"""What AMD parts are: devices, register images, packets, ioctl records. Tables only; nothing here acts.

Everything above may read this room; it imports nothing of ringscope. Each constant carries its source and the
generations it holds for, so that a reviewer can hold a table against the original header line by line.
"""
