// Command check looks at a built site: every link and picture leads to a file that is there, and every fragment to an element.
package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// repository is the beginning of links that leave the site for files of the repository.
const repository = "https://github.com/edgelb/edgelb/blob/main/"

// document is what matters of a page: the ids of its elements, and where it leads.
type document struct {
	ids   map[string]bool
	links []string
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: check SITE REPOSITORY")
		os.Exit(2)
	}
	broken, links, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "site-check:", err)
		os.Exit(1)
	}
	for _, each := range broken {
		fmt.Fprintln(os.Stderr, "site-check:", each)
	}
	if len(broken) > 0 {
		os.Exit(1)
	}
	fmt.Printf("site-check: %d links lead somewhere\n", links)
}

// check returns the links of the site that lead nowhere, and how many there are in all.
func check(site, tree string) (broken []string, links int, err error) {
	documents := map[string]document{}
	err = filepath.WalkDir(site, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".html" {
			return err
		}
		documents[path], err = read(path)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if len(documents) == 0 {
		return nil, 0, fmt.Errorf("%s has no pages: run make site", site)
	}
	for path, page := range documents {
		for _, link := range page.links {
			links++
			if why := follow(documents, path, link, tree); why != "" {
				broken = append(broken, fmt.Sprintf("%s links to %s, %s", path, link, why))
			}
		}
	}
	slices.Sort(broken)
	return broken, links, nil
}

// follow says why a link leads nowhere; empty if it does lead somewhere, or out of the site and the repository.
func follow(documents map[string]document, from, link, tree string) string {
	to, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if file, found := strings.CutPrefix(link, repository); found {
		file, _, _ = strings.Cut(file, "#")
		return missing(filepath.Join(tree, file))
	}
	if to.IsAbs() {
		return ""
	}
	target := from
	if to.Path != "" {
		target = filepath.Join(filepath.Dir(from), to.Path)
	}
	if why := missing(target); why != "" {
		return why
	}
	if to.Fragment != "" && !documents[target].ids[to.Fragment] {
		return "which has no element with that id"
	}
	return ""
}

func missing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return "which is not there"
	}
	return ""
}

func read(path string) (document, error) {
	page := document{ids: map[string]bool{}}
	file, err := os.Open(path)
	if err != nil {
		return page, err
	}
	defer file.Close()
	root, err := html.Parse(file)
	if err != nil {
		return page, fmt.Errorf("%s: %w", path, err)
	}
	for node := range root.Descendants() {
		for _, attribute := range node.Attr {
			switch attribute.Key {
			case "id":
				page.ids[attribute.Val] = true
			case "href", "src":
				page.links = append(page.links, attribute.Val)
			}
		}
	}
	return page, nil
}
