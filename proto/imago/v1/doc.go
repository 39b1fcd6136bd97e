// Package imagov1 is the contract of the api: its services, requests and answers.
package imagov1
