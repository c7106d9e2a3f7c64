"""The engines that `bowerbird stack` runs, one file each: how its wheel's program is started, and its address."""
