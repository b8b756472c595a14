package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// repeatExtension is the alias of servers that carry out a request once that comes
// several times with one Idempotency-Key.
const repeatExtension = "l2-gateway-idempotency-key"

// idempotencyKey is the header. Written in small letters, which mean the same, it is none
// to net/http, which would take it for leave to send a request again by itself.
const idempotencyKey = "idempotency-key"

// persistence is how a command goes on when the API goes away under it: the connection
// breaks, nobody listens any more, there is no answer in time, or it is 502, 503 or
// 504. It ends when the API was away for limit in all. Until the API has answered once,
// nothing is sent again: it is more likely that the command goes to the wrong place.
//
// What certainly did not arrive is sent again, and what may have been carried out as far
// as its [repetition] lets it.
type persistence struct {
	limit time.Duration // 0: the command gives up at once
	heard bool          // the API has answered
	away  time.Time     // since when it does not; zero: it is there
	spent time.Duration // how long it was away before
	pause time.Duration // before the last attempt; 0: there was none since it is away
	keyed *bool         // whether the API knows keys; nil: not known yet
	told  *progress     // of this absence; nil: nothing was told
}

// The pauses between attempts, where the API does not say how long to wait.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// repetition is what becomes of a request that is carried out twice.
type repetition int

const (
	byKey    repetition = iota // nothing more, on a server that knows it by its key; else it is done twice
	harmless                   // nothing more, on any server
	harmful                    // it is done twice: it is for the user to know whether that is meant
)

// persistent lets a command that changes something go on when the API goes away.
func (a *app) persistent(c *cobra.Command) *cobra.Command {
	var limit time.Duration
	spanVar(c.Flags(), &limit, "retry", 30*time.Second, 0, "how long to try again when the API goes away meanwhile; 0: not at all")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		a.persistence.limit = limit
		return run(c, args)
	}
	return c
}

// meet asks the API, before the first change that would be sent again, whether it knows
// keys. What is sent after it goes to an API that has answered once.
func (a *app) meet(ctx context.Context) (keyed bool, err error) {
	p := &a.persistence
	if p.limit == 0 {
		return false, nil
	}
	if p.keyed == nil {
		err := a.call(ctx, http.MethodGet, "/extensions/"+repeatExtension, nil, nil)
		if _, answered := errors.AsType[*apiError](err); err != nil && !answered {
			return false, err
		}
		known := err == nil
		p.keyed = &known
	}
	return *p.keyed, nil
}

// again waits if it makes sense to send a request again that ended with err, and says
// whether it does. safe is whether that does no harm if it was carried out.
func (a *app) again(ctx context.Context, err error, safe bool) bool {
	p := &a.persistence
	o, silent := errors.AsType[*outage](err)
	again := temporary(err) && safe
	if silent {
		again = temporary(err) && p.heard && (safe || !o.sent)
	} else {
		p.heard = true
	}
	if !again {
		if !silent {
			p.back()
		}
		p.end()
		return false
	}
	if p.away.IsZero() {
		p.away = time.Now()
	}
	p.pause = max(firstPause, min(2*p.pause, longestPause))
	pause := max(p.pause, retryAfter(err))
	if p.limit == 0 || p.spent+time.Since(p.away)+pause > p.limit || ctx.Err() != nil {
		p.end()
		return false
	}
	a.tellAway(err, pause)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// temporary says whether an error may pass by itself.
func temporary(err error) bool {
	if o, ok := errors.AsType[*outage](err); ok {
		return !o.lasting
	}
	switch statusOf(err) {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// mayBeDone says whether a request may have been carried out that ended with err.
func mayBeDone(err error) bool {
	if o, ok := errors.AsType[*outage](err); ok {
		return o.sent
	}
	status := statusOf(err) // what stands in front of the API does not know; 503 is the API's, and nothing was done
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}

// unsure is the last error of a request of which one attempt may have been carried out.
func unsure(err error) error {
	if _, ok := errors.AsType[*outage](err); ok {
		return fmt.Errorf("%w; whether it did what it was told is not known", err)
	}
	return fmt.Errorf("%w\nWhether it did what it was told is not known.", err) //nolint:staticcheck,revive // two sentences
}

// retryAfter is how long the API says to wait, 0 if it does not say.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.retryAfter
	}
	return 0
}

// back is when the API has answered.
func (p *persistence) back() {
	if !p.away.IsZero() {
		p.spent += time.Since(p.away)
	}
	p.away, p.pause = time.Time{}, 0
}

// end ends what is told on a terminal.
func (p *persistence) end() {
	if p.told != nil {
		p.told.end()
		p.told = nil
	}
}

// tellAway tells who watches that it is tried again.
func (a *app) tellAway(err error, pause time.Duration) {
	if a.debug {
		_, _ = fmt.Fprintf(a.env.Err, "RETRY: in %s, since %v\n", pause, err)
	} else if a.tty != nil {
		if a.persistence.told == nil {
			a.persistence.told = a.progress()
		}
		a.persistence.told.tell(fmt.Sprintf("%v; trying again for up to %s", err, a.persistence.limit))
	}
}

// outage is an API that did not answer a request.
type outage struct {
	where   string
	cause   error
	sent    bool // the request may have arrived
	lasting bool // there is no point in trying again
}

func (o *outage) Error() string {
	if errors.Is(o.cause, errInterrupted) {
		return o.cause.Error() // for which the API can do nothing
	}
	return "the API at " + o.where + " cannot be reached: " + o.cause.Error()
}

func (o *outage) Unwrap() error { return o.cause }

// newOutage judges the error of a request.
func newOutage(where string, cause error) *outage {
	o := &outage{where: where, cause: cause, sent: true}
	if e, ok := errors.AsType[*net.OpError](cause); ok && e.Op == "dial" {
		o.sent = false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		o.sent, o.lasting = false, true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](cause); ok {
		o.sent, o.lasting = false, true
	}
	return o
}
