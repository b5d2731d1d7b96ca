// Reads Modelfiles with Ollama's own parser and renders their templates with Ollama's own template package.
// stdin: [{"modelfile", "messages": [{"role", "content"}]}]; stdout: [{"commands": {name: args}, "rendered"}].
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/template"
)

type job struct {
	Modelfile string        `json:"modelfile"`
	Messages  []api.Message `json:"messages"`
}

type result struct {
	Commands map[string]string `json:"commands"`
	Rendered string            `json:"rendered"`
}

func run(j job) (r result, err error) {
	file, err := parser.ParseFile(strings.NewReader(j.Modelfile))
	if err != nil {
		return r, err
	}
	r.Commands = map[string]string{}
	for _, command := range file.Commands {
		r.Commands[command.Name] = command.Args
	}
	parsed, err := template.Parse(r.Commands["template"])
	if err != nil {
		return r, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, template.Values{Messages: j.Messages})
	r.Rendered = out.String()
	return r, err
}

func main() {
	var jobs []job
	if err := json.NewDecoder(os.Stdin).Decode(&jobs); err != nil {
		log.Fatal(err)
	}
	results := make([]result, len(jobs))
	for i, j := range jobs {
		var err error
		if results[i], err = run(j); err != nil {
			log.Fatalf("job %d: %v\n%s", i, err, j.Modelfile)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
