package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// outcome is one of the states in which the product may be. A request whose
// answer was lost was carried out, or was not, or will be: it may wait in a
// server, in the database or on the way between them.
type outcome struct {
	intent  intent
	pending []*lost // requests that may still be carried out
}

// lost is a request whose answer was lost.
type lost struct {
	*request
	since time.Time
}

const (
	// mostPending is how many requests may be open at once.
	mostPending = 3
	// lateness is for how long a request may be carried out after its answer was
	// lost: TCP and the database's own limits are all below.
	lateness = 90 * time.Second
)

// maybe notes a request whose answer was lost.
func (c *chaos) maybe(r *request) {
	c.unanswered++
	for i := range c.outcome {
		c.outcome[i].pending = append(slices.Clone(c.outcome[i].pending), &lost{r, time.Now()})
	}
}

// surely notes a request that was acknowledged. Others may have been carried out before it.
func (c *chaos) surely(r *request) {
	c.acknowledged++
	c.outcome = c.reachable()
	for i, o := range c.outcome {
		o.intent = o.intent.clone()
		r.effect(o.intent)
		c.outcome[i] = o
	}
	c.world.intent = c.outcome[0].intent
}

// reachable are all outcomes that follow if any of the open requests are carried
// out, in any order. The first is that in which none is.
func (c *chaos) reachable() []outcome {
	all := slices.Clone(c.outcome)
	seen := map[string]bool{}
	for i := 0; i < len(all); i++ {
		for k, r := range all[i].pending {
			next := outcome{all[i].intent.clone(), slices.Delete(slices.Clone(all[i].pending), k, k+1)}
			r.effect(next.intent)
			if key := fmt.Sprint(sortedIntent(next.intent), next.pending); !seen[key] {
				seen[key] = true
				all = append(all, next)
			}
		}
	}
	return all
}

// settleIntent compares what the product knows with what it may. It fails if the
// product does not answer, and ends the test if it forgot what it acknowledged.
func (c *chaos) settleIntent() error {
	read, err := c.readIDs()
	if err != nil {
		return err
	}
	got := sortedIntent(read)
	var left []outcome
	for _, o := range c.reachable() {
		if cmp.Equal(sortedIntent(o.intent), got) {
			left = append(left, o)
		}
	}
	if len(left) == 0 {
		c.Fatalf("the product forgot what it acknowledged, or made something up; %d requests are open (-want +got):\n%s",
			len(c.outcome[0].pending), cmp.Diff(sortedIntent(c.world.intent), got))
	}
	for i := range left {
		left[i].pending = slices.DeleteFunc(slices.Clone(left[i].pending), func(r *lost) bool {
			return !c.p.mayBeLate() || time.Since(r.since) > lateness
		})
	}
	c.outcome, c.world.intent = left, left[0].intent
	return nil
}
