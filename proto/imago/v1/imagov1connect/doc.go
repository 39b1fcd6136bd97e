// Package imagov1connect holds the api's handlers and clients, made from the
// protos beside it.
package imagov1connect
