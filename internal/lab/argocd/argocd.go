// Package argocd judges objects as Argo CD does, with the Lua that it runs.
package argocd

import (
	"context"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Health is what a health check makes of an object.
type Health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// patience is how long Argo CD lets a script run.
const patience = time.Second

// HealthOf runs a health check on an object as Argo CD does a script of its ConfigMap: the object is the global obj, and of Lua's
// libraries there are only base and table. A script that Argo CD has built in finds all of them, so it needs no more.
func HealthOf(script string, object map[string]any) (Health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	state.SetContext(ctx)
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return Health{}, fmt.Errorf("open Lua's library %q: %w", name, err)
		}
	}
	value, err := toLua(state, object)
	if err != nil {
		return Health{}, err
	}
	state.SetGlobal("obj", value)
	if err := state.DoString(script); err != nil {
		return Health{}, fmt.Errorf("run the health check: %w", err)
	}
	return fromLua(state.Get(-1))
}

// fromLua reads what a script has returned, of which Argo CD takes two strings.
func fromLua(returned lua.LValue) (Health, error) {
	table, ok := returned.(*lua.LTable)
	if !ok {
		return Health{}, fmt.Errorf("the health check returns a %s, want a table", returned.Type())
	}
	status, ok := table.RawGetString("status").(lua.LString)
	if !ok {
		return Health{}, fmt.Errorf("the health check returns the status %v, want a string", table.RawGetString("status"))
	}
	message, ok := table.RawGetString("message").(lua.LString)
	if !ok {
		return Health{}, fmt.Errorf("the health check returns the message %v, want a string", table.RawGetString("message"))
	}
	switch status {
	case "Healthy", "Progressing", "Degraded", "Suspended":
		return Health{string(status), string(message)}, nil
	default:
		return Health{}, fmt.Errorf("the health check returns the status %q, which Argo CD does not have for it", status)
	}
}

// toLua converts a value of an unstructured object.
func toLua(state *lua.LState, value any) (lua.LValue, error) {
	switch value := value.(type) {
	case nil:
		return lua.LNil, nil
	case bool:
		return lua.LBool(value), nil
	case string:
		return lua.LString(value), nil
	case float64:
		return lua.LNumber(value), nil
	case int64:
		return lua.LNumber(value), nil
	case []any:
		return listToLua(state, value)
	case map[string]any:
		table := state.NewTable()
		for key, entry := range value {
			converted, err := toLua(state, entry)
			if err != nil {
				return nil, err
			}
			table.RawSetString(key, converted)
		}
		return table, nil
	default:
		return nil, fmt.Errorf("a %T is no value of an object", value)
	}
}

func listToLua(state *lua.LState, list []any) (lua.LValue, error) {
	table := state.NewTable()
	for _, entry := range list {
		converted, err := toLua(state, entry)
		if err != nil {
			return nil, err
		}
		table.Append(converted)
	}
	return table, nil
}
