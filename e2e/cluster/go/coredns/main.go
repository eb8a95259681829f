// Command coredns is CoreDNS with only the plugins that cluster DNS needs.
//
// The upstream binary links every plugin, and with them the SDKs of three
// clouds. There is no forward plugin here, and that is on purpose: a name that
// the cluster does not know must not resolve.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

func main() {
	dnsserver.Directives = []string{"errors", "health", "ready", "cache", "reload", "kubernetes"}
	coremain.Run()
}
