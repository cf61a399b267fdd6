"""Scripts that the tests of `nearfar.distributed` start as processes."""
