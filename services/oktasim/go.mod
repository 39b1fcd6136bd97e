module imago/services/oktasim

go 1.26
