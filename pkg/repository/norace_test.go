//go:build !race

package repository_test

const modelSeeds, modelSteps, deathEvery = 20, 100, 1
