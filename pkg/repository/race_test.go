//go:build race

package repository_test

// The race detector makes each step ten times as dear: there are fewer with it, and of the
// operations to die at only some. scripts/test does all of them without it.
const modelSeeds, modelSteps, deathEvery = 4, 80, 5
