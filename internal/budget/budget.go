// Package budget shares a bounded amount of memory among those who send, none of whom is trusted.
package budget

import "sync"

// Budget bounds what all accounts hold together.
//
// Nobody waits: one who made others wait would have them starve. Instead, when too much is held, the account ends that holds
// most. So who holds no more than an equal share loses nothing, however much others send.
type Budget struct {
	size int

	mu       sync.Mutex
	used     int
	accounts map[*Account]struct{}
}

// New returns a Budget of that many bytes.
func New(size int) *Budget {
	return &Budget{size: size, accounts: map[*Account]struct{}{}}
}

// Account is what is held of one sender. Its methods may be called at the same time.
type Account struct {
	budget *Budget
	end    func(held int)

	// held are bytes by what they are for, and sum is that of all. The budget's lock guards both.
	held map[string]int
	sum  int
}

// Account returns one that holds nothing yet. When it holds most of all that is too much, end is called, in a goroutine of its
// own, with how much that was; then it holds nothing, and whatever it held has to be given up. Without a budget nothing is
// counted.
func (b *Budget) Account(end func(held int)) *Account {
	return &Account{budget: b, end: end}
}

// Set says how many bytes are held for something.
func (a *Account) Set(of string, bytes int) {
	a.change(func() { a.charge(of, bytes-a.held[of]) })
}

// Add says that more bytes are held for something.
func (a *Account) Add(of string, bytes int) {
	a.change(func() { a.charge(of, bytes) })
}

// Release says that nothing is held any more.
func (a *Account) Release() { a.change(a.empty) }

func (a *Account) change(f func()) {
	if a.budget == nil {
		return
	}
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	f()
	a.budget.enforce()
}

func (a *Account) charge(of string, bytes int) {
	if a.held == nil {
		a.held = map[string]int{}
	}
	a.held[of] += bytes
	a.sum += bytes
	a.budget.used += bytes
	a.budget.accounts[a] = struct{}{}
}

func (a *Account) empty() {
	a.budget.used -= a.sum
	a.held, a.sum = nil, 0
	delete(a.budget.accounts, a)
}

// enforce is called with the lock held.
func (b *Budget) enforce() {
	for b.used > b.size {
		var most *Account
		for a := range b.accounts {
			if most == nil || a.sum > most.sum {
				most = a
			}
		}
		held := most.sum
		most.empty()
		go most.end(held)
	}
}

// Used is how many bytes are held.
func (b *Budget) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
