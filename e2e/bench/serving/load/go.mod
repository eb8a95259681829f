module regnant.dev/e2e/load

go 1.26.0
