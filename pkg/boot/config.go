package boot

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"imago/pkg/account"
)

// prefix begins the name of every variable of ours.
const prefix = "IMAGO_"

// foreign are variables with our prefix that are not a program's configuration.
var foreign = []string{prefix + "TEST_", prefix + "POSTGRES_BIN"}

// File is a variable that names a file, which holds a secret. It is read at the start.
type File struct {
	Path    string
	content account.Secret
}

// UnmarshalText reads the file that the variable names.
func (f *File) UnmarshalText(path []byte) error {
	content, err := os.ReadFile(string(path))
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(content))) == 0 {
		return fmt.Errorf("%s is empty", path)
	}
	f.Path, f.content = string(path), account.Secret(content)
	return nil
}

// Text reveals the content, without the space around it.
func (f File) Text() string { return strings.TrimSpace(f.content.Reveal()) }

// Secret is the content, without the space around it.
func (f File) Secret() account.Secret { return account.Secret(f.Text()) }

// Bytes reveals the content as it stands in the file.
func (f File) Bytes() []byte { return []byte(f.content.Reveal()) }

// Set reports whether the variable was there.
func (f File) Set() bool { return f.Path != "" }

// String names the file, and never shows what is in it.
func (f File) String() string { return f.Path }

// GoString names the file, and never shows what is in it.
func (f File) GoString() string { return f.Path }

// variable is one field of a configuration.
type variable struct {
	name, field, standard, help string
	kind                        reflect.Type
	required                    bool
}

// variables lists what a configuration reads, in its own order.
func variables(t reflect.Type, before string) (out []variable) {
	for f := range fields(t) {
		key := f.Tag.Get("env")
		if key == "" {
			if f.Type.Kind() == reflect.Struct {
				out = append(out, variables(f.Type, before+f.Tag.Get("envPrefix"))...)
			}
			continue
		}
		name, options, _ := strings.Cut(key, ",")
		out = append(out, variable{
			name: before + name, field: f.Name, kind: f.Type, standard: f.Tag.Get("envDefault"), help: f.Tag.Get("help"),
			required: slices.Contains(strings.Split(options, ","), "required"),
		})
	}
	return out
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && !yield(f) {
				return
			}
		}
	}
}

// Load reads a configuration from an environment, its fields tagged as Config's are, and
// tells all that is wrong at once.
func Load[C any](environ []string) (C, error) {
	var c C
	known := variables(reflect.TypeFor[C](), prefix)
	given := map[string]string{}
	var wrong []error
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		// A variable that is set to nothing is as good as unset.
		if value != "" {
			given[name] = value
		}
		if !isKnown(known, name) {
			wrong = append(wrong, fmt.Errorf("%s: no such variable%s", name, similar(known, name)))
		}
	}
	err := env.ParseWithOptions(&c, env.Options{Prefix: prefix, Environment: given})
	wrong = append(wrong, reword(err, known)...)
	if err == nil {
		wrong = append(wrong, validate(reflect.ValueOf(c), prefix)...)
	}
	return c, errors.Join(wrong...)
}

func isKnown(known []variable, name string) bool {
	return slices.ContainsFunc(known, func(v variable) bool { return v.name == name }) ||
		slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(name, p) })
}

// similar points at the variable that was probably meant.
func similar(known []variable, name string) string {
	for _, v := range known {
		if v.name == name+"_FILE" {
			return ": put the value into a file, and name it in " + v.name
		}
	}
	for _, v := range known {
		if strings.ReplaceAll(v.name, "_", "") == strings.ReplaceAll(name, "_", "") || strings.TrimSuffix(v.name, "S") == strings.TrimSuffix(name, "S") {
			return ": is it " + v.name + "?"
		}
	}
	return ""
}

// reword names the variables, where the library names the fields.
func reword(err error, known []variable) (out []error) {
	if err == nil {
		return nil
	}
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return []error{err}
	}
	for _, e := range all.Errors {
		parse, isParse := errors.AsType[env.ParseError](e)
		missing, isMissing := errors.AsType[env.VarIsNotSetError](e)
		switch {
		case isMissing:
			out = append(out, fmt.Errorf("%s: it is missing", missing.Key))
		case isParse:
			i := slices.IndexFunc(known, func(v variable) bool { return v.field == parse.Name })
			if i < 0 {
				out = append(out, e)
				continue
			}
			out = append(out, fmt.Errorf("%s: %w", known[i].name, parse.Err))
		default:
			out = append(out, e)
		}
	}
	return out
}

// validator is a part of a configuration that knows what else can be wrong with it. Each
// of its errors begins with the variable's name as its own tag has it: "ADDR: …".
type validator interface{ Validate() error }

// validate asks the configuration and its parts, and completes the names that they give.
func validate(v reflect.Value, before string) (out []error) {
	for f := range fields(v.Type()) {
		if f.Type.Kind() == reflect.Struct && f.Tag.Get("env") == "" {
			out = append(out, validate(v.FieldByIndex(f.Index), before+f.Tag.Get("envPrefix"))...)
		}
	}
	if asked, ok := v.Interface().(validator); ok {
		if err := asked.Validate(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				out = append(out, errors.New(before+line))
			}
		}
	}
	return out
}

// indent sets each problem on a line of its own.
func indent(err error) string {
	return "  " + strings.ReplaceAll(err.Error(), "\n", "\n  ")
}
