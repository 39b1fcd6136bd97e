module imago/services/oktasim/conformance

go 1.26
