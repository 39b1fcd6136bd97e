// Command mails writes every mail that Imago sends, with canned data, into a folder: text,
// HTML as a mail program gets it, and a page that shows all of them, each as wide as a
// desk's and a phone's window.
//
//	go run ./scripts/internal/mails DIR
package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"imago/pkg/notify"
	"imago/pkg/notify/sample"
)

// site is where the mails lead.
const site = "https://imago.example.com"

//go:embed index.html
var index string

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mails DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mails:", err)
		os.Exit(1)
	}
	fmt.Println(filepath.Join(os.Args[1], "index.html"))
}

// mail is one mail on the page.
type mail struct {
	Name string
	notify.Message
}

// write renders all samples into a folder.
func write(dir string) error {
	all, err := render()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for _, m := range all {
		for ending, body := range map[string]string{".txt": "Subject: " + m.Subject + "\n\n" + m.Text, ".html": m.HTML} {
			if err := os.WriteFile(filepath.Join(dir, m.Name+ending), []byte(body), 0o644); err != nil {
				return err
			}
		}
	}
	return writeIndex(filepath.Join(dir, "index.html"), all)
}

// render renders all samples, by name.
func render() (out []mail, err error) {
	templates, err := notify.NewTemplates(site)
	if err != nil {
		return nil, err
	}
	samples := sample.Mails()
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		m, err := templates.RenderList(name, "ada@acme.example", samples[name], unsubscribe(samples[name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, mail{name, m})
	}
	return out, nil
}

// unsubscribe is where the mail is ended, if its recipient subscribes to such.
func unsubscribe(m notify.Mail) string {
	switch m := m.(type) {
	case notify.ProductUpdate:
	case notify.Digest:
		if m.Storm {
			return ""
		}
	default:
		return ""
	}
	return site + "/unsubscribe?token=canned"
}

func writeIndex(path string, all []mail) (err error) {
	page, err := template.New("index").Parse(index)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := page.Execute(f, all); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return f.Close()
}
