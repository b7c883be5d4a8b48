// Reads rules from standard input as Prometheus does, expressions and templates included, and says what is wrong with them.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	groups, wrong := rulefmt.Parse(text, false, model.UTF8Validation)
	for _, one := range wrong {
		fmt.Fprintln(os.Stderr, one)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			fmt.Println(rule.Alert)
		}
	}
}
