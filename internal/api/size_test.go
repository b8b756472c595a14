//go:build !race

package api_test

// bigGateway is the number of devices of the largest gateway that tests make.
const bigGateway = 1000
