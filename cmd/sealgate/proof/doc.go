// Package proof proves the whole daemon: the built binary, real SFTP clients, real crashes. It has no product code.
//
// Begin with harness_test.go, which makes a gateway in a temporary folder and runs it; clients_test.go is the table of
// clients. Programs that are missing skip their test and say so; with CI=true they fail it.
// `.ci/peers` at the top of the checkout installs them.
package proof
