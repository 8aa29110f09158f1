package sanitize

import "reflect"

// All applies Line to all strings in the value's fields, slices and maps, except the keys of maps. New fields of the type are
// covered automatically. Pointers are not followed, and data that the value shares with others is not changed.
func All[T any](value T, limit int) T {
	v := reflect.ValueOf(&value).Elem()
	clean(v, limit)
	return value
}

// clean changes a value in place. It copies slices and maps, because others may share them.
func clean(v reflect.Value, limit int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(Line(v.String(), limit))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				clean(v.Field(i), limit)
			}
		}
	case reflect.Slice:
		cleanSlice(v, limit)
	case reflect.Map:
		cleanMap(v, limit)
	}
}

func cleanSlice(v reflect.Value, limit int) {
	if v.IsNil() || !hasText(v.Type().Elem()) {
		return
	}
	copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(copied, v)
	for i := range copied.Len() {
		clean(copied.Index(i), limit)
	}
	v.Set(copied)
}

func cleanMap(v reflect.Value, limit int) {
	if v.IsNil() || !hasText(v.Type().Elem()) {
		return
	}
	copied := reflect.MakeMapWithSize(v.Type(), v.Len())
	value := reflect.New(v.Type().Elem()).Elem()
	for entries := v.MapRange(); entries.Next(); {
		value.Set(entries.Value())
		clean(value, limit)
		copied.SetMapIndex(entries.Key(), value)
	}
	v.Set(copied)
}

// hasText reports whether values of the type may hold strings.
func hasText(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String:
		return true
	case reflect.Slice, reflect.Map:
		return hasText(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && hasText(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
