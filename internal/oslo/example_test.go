package oslo_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"l2gw/internal/oslo"
)

// The agent's files as they stand on a host that ran networking-l2gw.
func Example() {
	dir, err := os.MkdirTemp("", "oslo")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	neutron, agent := filepath.Join(dir, "neutron.conf"), filepath.Join(dir, "l2gateway_agent.ini")
	for path, text := range map[string]string{
		neutron: "[DEFAULT]\nstate_path = /var/lib/neutron\ndebug = True\ncore_plugin = ml2\n",
		agent: `[ovsdb]
ovsdb_hosts = 'tor1:192.0.2.1:6632,tor2:[2001:db8::1]:6632'
l2_gw_agent_priv_key_base_path = $state_path/l2gw
enable_manager = off
manager_table_listening_port = 66320
socket_timeouts = 30
`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			log.Print(err)
			return
		}
	}

	c, err := oslo.Load([]string{neutron, agent}, nil)
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(c.List("ovsdb", "ovsdb_hosts"))
	fmt.Println(c.String("ovsdb", "l2_gw_agent_priv_key_base_path", ""))
	fmt.Println(c.Bool("ovsdb", "enable_manager", false), c.Bool("DEFAULT", "debug", false))
	fmt.Println(c.IntWithin("ovsdb", "manager_table_listening_port", 6632, 0, 65535))
	fmt.Println(c.Err().Error()[len(dir)+1:])
	for _, o := range c.Unread() {
		if o.File == agent {
			fmt.Printf("%s is not an option of ours\n", o.Name)
		}
	}
	// Output:
	// [tor1:192.0.2.1:6632 tor2:[2001:db8::1]:6632]
	// /var/lib/neutron/l2gw
	// false true
	// 6632
	// l2gateway_agent.ini:5: [ovsdb] manager_table_listening_port = "66320": want a whole number from 0 to 65535
	// socket_timeouts is not an option of ours
}
