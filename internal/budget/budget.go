// Package budget shares a limited amount of memory among senders, none of which is trusted.
package budget

import "sync"

// Budget limits the bytes that all accounts hold together.
//
// Nothing blocks: otherwise one sender could starve the others. Instead, when the limit is exceeded, the account that holds most
// is ended. An account within an equal share loses nothing, however much others send.
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

// Account counts the bytes held for one sender. Its methods are safe for concurrent use.
type Account struct {
	budget *Budget
	end    func(held int)

	// held are the bytes by purpose, and sum is their total. The budget's lock guards both.
	held map[string]int
	sum  int
}

// Account returns an empty account. If the budget is exceeded and this account holds most, the account is emptied, and end is
// called in its own goroutine with the number of bytes; the caller must then free the data. With a nil budget nothing is counted.
func (b *Budget) Account(end func(held int)) *Account {
	return &Account{budget: b, end: end}
}

// Set sets the number of bytes held for a purpose.
func (a *Account) Set(of string, bytes int) {
	a.change(func() { a.charge(of, bytes-a.held[of]) })
}

// Add adds to the bytes held for a purpose.
func (a *Account) Add(of string, bytes int) {
	a.change(func() { a.charge(of, bytes) })
}

// Release empties the account.
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

// Used returns how many bytes are held.
func (b *Budget) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
