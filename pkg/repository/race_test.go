//go:build race

package repository_test

// The race detector makes each step ten times as dear: there are fewer with it, and of the
// operations to die at, the bytes to flip and the values to reword only some. scripts/test does
// all without it.
const deathEvery = 5

const minutesOfDay = 240

func orders() int { return 3 }

func lifeEvery() (deaths, mishaps int) { return 31, 61 }

func modelRuns() (seeds, steps int) { return 4, 80 }
