//go:build !race

package repository_test

import "flag"

// thorough does what takes a minute, and not a few seconds.
var thorough = flag.Bool("thorough", false, "do tens of thousands of the model's steps")

const deathEvery = 1

// minutesOfDay are as many as there may be.
const minutesOfDay = 1440

// orders is in how many orders programs are let go on that work at once.
func orders() int {
	if *thorough {
		return 25
	}
	return 6
}

// lifeEvery is of which operations of a whole life a death is tried, and a mishap.
func lifeEvery() (deaths, mishaps int) {
	if *thorough {
		return 1, 1
	}
	return 29, 61
}

// modelRuns are how many repositories the model makes, and how many steps it does on each.
func modelRuns() (seeds, steps int) {
	if *thorough {
		return 40, 510
	}
	return 20, 100
}
