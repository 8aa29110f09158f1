package budget

import "testing"

// sender returns an account, and a channel that reports when it is ended.
func sender(b *Budget) (*Account, <-chan int) {
	ended := make(chan int, 10)
	return b.Account(func(held int) { ended <- held }), ended
}

func TestTheLargestAccountIsEnded(t *testing.T) {
	t.Parallel()
	b := New(100)
	modest, modestEnd := sender(b)
	greedy, greedyEnd := sender(b)
	modest.Set("a", 30)
	greedy.Add("a", 40)
	greedy.Add("b", 20)
	if b.Used() != 90 {
		t.Fatalf("%d bytes are held, want 90", b.Used())
	}
	modest.Add("b", 15)
	if held := <-greedyEnd; held != 60 || b.Used() != 45 {
		t.Errorf("ended with %d bytes, %d are left; want 60 and 45", held, b.Used())
	}
	select {
	case held := <-modestEnd:
		t.Errorf("the smallest account was ended, with %d bytes", held)
	default:
	}
}

func TestAnAccountWithinAnEqualShareIsKept(t *testing.T) {
	t.Parallel()
	b := New(1000)
	modest, modestEnd := sender(b)
	for range 100 {
		modest.Set("answer", 90)
		for range 10 {
			greedy, _ := sender(b)
			greedy.Add("answer", 95)
		}
	}
	select {
	case held := <-modestEnd:
		t.Errorf("ended with %d bytes", held)
	default:
	}
}

func TestAnAccountLargerThanTheBudgetIsEnded(t *testing.T) {
	t.Parallel()
	b := New(100)
	greedy, ended := sender(b)
	greedy.Add("a", 101)
	if held := <-ended; held != 101 || b.Used() != 0 {
		t.Errorf("ended with %d bytes, %d are left", held, b.Used())
	}
}

func TestSetReplacesTheCount(t *testing.T) {
	t.Parallel()
	b := New(100)
	a, _ := sender(b)
	for range 10 {
		a.Set("answer", 0)
		a.Add("answer", 60)
	}
	if b.Used() != 60 {
		t.Errorf("%d bytes are held, want 60", b.Used())
	}
	a.Release()
	a.Release()
	if b.Used() != 0 || len(b.accounts) != 0 {
		t.Errorf("%d bytes of %d are held after the release", b.Used(), len(b.accounts))
	}
}

func TestWithoutABudgetNothingIsCounted(t *testing.T) {
	t.Parallel()
	a := (*Budget)(nil).Account(func(int) { t.Error("ended") })
	a.Set("a", 1<<60)
	a.Add("a", 1<<60)
	a.Release()
}
