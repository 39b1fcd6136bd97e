package worker_test

func inAnotherProcess(as, config string) int { return 2 }
