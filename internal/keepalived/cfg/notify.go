package cfg

import (
	_ "embed"
	"strings"

	"github.com/edgelb/edgelb/internal/keepalived"
)

//go:embed notify.sh
var notify string

// notifierOf returns the script that runs an instance's command; nil if it has none. What the command gets is in the script, and not in
// keepalived's file: a line there has at most 1024 characters.
func notifierOf(i keepalived.Instance) *Script {
	if i.Notify.Command == "" {
		return nil
	}
	secret := ""
	if i.Notify.Secret {
		secret = keepalived.SecretFolder(i.Name)
	}
	var addresses []string
	for _, address := range i.Addresses {
		addresses = append(addresses, address.Addr().String())
	}
	values := []string{
		"work", keepalived.NoticeFolder, "config", keepalived.ConfigPath, "alive", keepalived.ResultPath,
		"EDGELB_INSTANCE", i.Name, "EDGELB_INTERFACE", i.Interface, "EDGELB_ADDRESSES", strings.Join(addresses, " "), "EDGELB_SECRET", secret,
	}
	var text strings.Builder
	text.WriteString("#!/bin/sh\nstate=${1:?}\n")
	for n := 0; n < len(values); n += 2 {
		text.WriteString(values[n] + "=" + quoted(values[n+1]) + "\n")
	}
	text.WriteString("set --")
	for word := range strings.FieldsSeq(i.Notify.Command) {
		text.WriteString(" " + quoted(word))
	}
	script := scriptOf("notify", []byte(text.String()+"\n"+notify))
	return &script
}

// quoted quotes a value for a shell.
func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }
