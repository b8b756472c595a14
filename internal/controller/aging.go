package controller

import (
	"container/heap"
	"time"
)

// aging is when a network's learned MACs must be looked at.
type aging struct {
	next   time.Time
	index  int  // in the heap
	listed bool // it is there
}

// agingHeap has the networks with a deadline, the next one first.
type agingHeap []*network

func (h agingHeap) Len() int           { return len(h) }
func (h agingHeap) Less(i, j int) bool { return h[i].ages.next.Before(h[j].ages.next) }
func (h agingHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].ages.index, h[j].ages.index = i, j
}

func (h *agingHeap) Push(x any) {
	n := x.(*network)
	n.ages.index, n.ages.listed = len(*h), true
	*h = append(*h, n)
}

func (h *agingHeap) Pop() any {
	last := len(*h) - 1
	n := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	n.ages.listed = false
	return n
}

// age takes in that a network's table of learned MACs is another.
func (s *state) age(n *network) {
	next, any := n.learned.Deadline()
	switch n.ages.next = next; {
	case any && n.ages.listed:
		heap.Fix(&s.aging, n.ages.index)
	case any:
		heap.Push(&s.aging, n)
	case n.ages.listed:
		heap.Remove(&s.aging, n.ages.index)
	}
}

// due takes out the networks whose time has come.
func (s *state) due(now time.Time) (due []*network) {
	for len(s.aging) > 0 && !s.aging[0].ages.next.After(now) {
		due = append(due, heap.Pop(&s.aging).(*network))
	}
	return due
}
