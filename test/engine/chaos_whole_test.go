package engine

import (
	"syscall"
	"time"

	"l2gw/test/product"
)

// deployment is what a story of accidents is told of.
type deployment interface {
	url(c *chaos) string // where the next request goes
	urls() []string      // of all servers
	WriteInventory(contents string)
	Log() string

	weight() int   // how often it is harmed: a switch is with 16
	harm(c *chaos) // an accident of its own
	heal(c *chaos) // brings all back that is away
	wait(c *chaos) // while it converges

	well() bool      // whether nothing of its own is broken at present
	mayFail() bool   // whether requests may fail
	mayBeLate() bool // whether requests may be carried out after their answers were lost
}

// whole is the product as one that runs or does not run.
type whole struct{ *product.Product }

func (p *whole) url(*chaos) string { return p.URL }
func (p *whole) urls() []string    { return []string{p.URL} }
func (p *whole) weight() int       { return 6 }
func (p *whole) heal(*chaos)       {}
func (p *whole) well() bool        { return true }
func (p *whole) mayFail() bool     { return false }
func (p *whole) mayBeLate() bool   { return false }

// wait lets it converge; an operator releases what is held.
func (p *whole) wait(c *chaos) {
	c.releaseHeld()
	time.Sleep(20 * time.Millisecond)
}

// releaseHeld lets go what is held of any device, and returns of how many.
func (c *chaos) releaseHeld() (released int) {
	for _, device := range []string{"ps1", "ps2", "ps3"} {
		_, out, err := c.call(request{method: "GET", path: "/v2.0/l2-gateway-devices/" + device})
		d, _ := out["l2_gateway_device"].(product.Object)
		if list, _ := d["held"].([]any); err == nil && len(list) > 0 {
			status, _, err := c.call(request{method: "POST", path: "/v2.0/l2-gateway-devices/" + device + "/release"})
			c.Logf("release of %s, which holds %v: %d %v", device, list, status, err)
			released++
		}
	}
	return released
}

func (p *whole) harm(c *chaos) {
	switch c.rng.IntN(4) {
	case 0:
		c.Log("the product is killed")
		p.Kill()
	case 1:
		c.Log("the product is stopped")
		p.Stop()
	case 2:
		r := c.anyRequest()
		c.Log("the product is killed while it works")
		answered := make(chan struct{})
		go func() {
			status, _, err := c.call(*r)
			c.Logf("%s %s %v: %d %v", r.method, r.path, r.body, status, err)
			if err == nil && status < 300 {
				c.surely(r)
			} else if err != nil {
				c.maybe(r)
			}
			close(answered)
		}()
		time.Sleep(time.Duration(c.rng.IntN(20_000)) * time.Microsecond)
		p.Kill()
		<-answered
	default:
		c.Log("the product stands still")
		pid := p.Pid()
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		c.pause(1500)
		_ = syscall.Kill(pid, syscall.SIGCONT)
		return
	}
	c.pause(500)
	p.Run()
	if err := c.settleIntent(); err != nil {
		c.Fatal(err)
	}
}
