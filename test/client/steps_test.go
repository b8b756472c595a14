package client

import (
	"regexp"
	"strings"
)

var word = regexp.MustCompile(`\{[^}]*\}|[^ ]+`)

// words splits at spaces that are not in braces.
func words(line string) step { return step{args: word.FindAllString(line, -1)} }

func args(all ...string) step { return step{args: all} }

// session is a day with gateways and connections.
func session() []step {
	lists := []string{"table", "json", "yaml", "value", "csv"}
	ones := []string{"table", "json", "yaml", "value", "shell"}
	var all []step
	add := func(steps ...step) { all = append(all, steps...) }
	each := func(formats []string, line string) {
		for _, f := range formats {
			add(words(line + " -f " + f))
		}
	}

	// Nothing is there yet.
	each(lists, "l2gw list")
	each(lists, "l2gw connection list")
	add(words("l2gw list --print-empty"), words("l2gw list -f json --noindent"), words("l2gw list -c ID --print-empty"))

	// Every form of --device.
	add(
		words("l2gw create cligw --device name=ps1,interface_names=eth1"),
		words("l2gw create cligw2 --device name=ps1,interface_names=eth1|100#200;eth2|300 --device name=ps2,interface_names=eth1|5"),
		words("l2gw create cligw3 --device name=ps1,interface_names=eth1;eth2 -f json"),
		words("l2gw create --device interface_names=eth9,name=ps9 cligw9 -f yaml"),
		words("l2gw create -f value cligw10 --device name=ps1,interface_names=ge-0/0/1.100"),
		words("l2gw create -f shell cligw11 --device name=ps1,interface_names=eth7|0"),
		args("l2gw", "create", "two words", "--device", "name=rack 1,interface_names=Ethernet 1/1"),
		args("l2gw", "create", "comma", "--device", "name=a,b,interface_names=eth1,eth2"),
		args("l2gw", "create", "equals", "--device", "name=a=b,interface_names=eth=1|7"),
		args("l2gw", "create", "unknown-keys", "--device", "name=ps1,interface_names=eth1,colour=blue"),
		args("l2gw", "create", "Büro 東京 🚀", "--device", "name=скат,interface_names=порт1|9"),
		args("l2gw", "create", `it's "quoted" \ $HOME`, "--device", `name=o'neil,interface_names=a"b\c|9`),
		args("l2gw", "create", "--device", "name=ps1,interface_names=eth1", "--", "-dash"),
	)

	// What is wrong.
	add(
		words("l2gw create cligw4 --device name=ps1"),
		words("l2gw create cligw5 --device interface_names=eth1"),
		words("l2gw create cligw6"),
		words("l2gw create cligw7 --device name=ps1,interface_names=eth1|abc"),
		words("l2gw create cligw7 --device name=ps1,interface_names=eth1|"),
		words("l2gw create cligw7 --device name=ps1,interface_names=eth1|5#"),
		words("l2gw create cligw7 --device name=ps1,interface_names=eth1|4095"),
		words("l2gw create cligw7 --device name=ps1,interface_names="),
		words("l2gw create cligw7 --device name=,interface_names=eth1"),
		words("l2gw create cligw7 --device ps1"),
		words("l2gw create cligw7 --device ps1,name=x"),
		words("l2gw create cligw7 --device"),
		words("l2gw create --project p1 cligw8 --device name=ps1,interface_names=eth1"),
		words("l2gw create"),
		words("l2gw create a b"),
		words("l2gw create a --bogus"),
		words("l2gw create a -f csv"),
		words("l2gw list -f shell"),
		words("l2gw list --quote some"),
		words("l2gw list --sort-ascending --sort-descending"),
		words("l2gw list extra"),
		words("l2gw list --project p1"),
		words("l2gw connection list --project p1"),
		words("l2gw list --max-width many"),
		words("l2gw show"),
		words("l2gw show nosuch"),
		words("l2gw show nosuch -f json"),
		words("l2gw show 00000000-0000-0000-0000-000000000000"),
		words("l2gw update nosuch --name x"),
		words("l2gw delete nosuch"),
		words("l2gw delete"),
		words("l2gw connection show"),
		words("l2gw connection show nosuch"),
		words("l2gw connection show 00000000-0000-0000-0000-000000000000"),
		words("l2gw connection delete nosuch"),
		words("l2gw list -c bogus"),
		words("l2gw show cligw -c bogus"),
	)

	// Looking.
	each(lists, "l2gw list")
	each(ones, "l2gw show cligw2")
	for _, name := range []string{"two words", "Büro 東京 🚀", `it's "quoted" \ $HOME`, "comma", "equals"} {
		for _, f := range ones {
			if f == "shell" && strings.Contains(name, "$") {
				continue // eval of theirs would run what a name says; of ours it does not
			}
			add(args("l2gw", "show", name, "-f", f))
		}
	}
	add(
		words("l2gw show {gateway cligw} -f table"),
		words("l2gw show cligw -f shell --prefix gw_"),
		words("l2gw show cligw -f shell --prefix Gw- -c ID -c Name"),
		words("l2gw show cligw -f json --noindent"),
		words("l2gw show cligw -c Name -c ID"),
		words("l2gw show cligw -c status -f value"),
		words("l2gw show cligw -c status -c revision_number -c project_id -f json"),
		words("l2gw show cligw -c created_at -c updated_at -c description -c status_reason -f yaml"),
		words("l2gw show cligw -c Name -f value"),
		words("l2gw list -c Name -c ID -f value"),
		words("l2gw list --column Name -f csv"),
		words("l2gw list -f csv --quote all"),
		words("l2gw list -f csv --quote minimal"),
		words("l2gw list -f csv --quote none"),
		words("l2gw list -f json --noindent -c Name"),
		words("l2gw list --sort-column Name -c Name"),
		words("l2gw list --sort-column Name --sort-descending -c Name -f value"),
		words("l2gw list --sort-column Name --sort-ascending -c Name -f value"),
		words("l2gw list --sort-column Tenant --sort-column Name -c Name -f value"),
		words("l2gw list --sort-column bogus -c Name -f value"),
		words("l2gw list --sort-column ID -c Name -f value"),
		words("l2gw list -f=json -c=Name"),
		words("l2gw list -fjson -cName"),
		words("l2gw list --format=value --column=Name"),
		// Options may be shortened.
		words("l2gw list --for value --col Name"),
		words("l2gw list --noin -f json -c Name"),
		words("l2gw list --sort-d --sort-c Name -f value -c Name"),
		words("l2gw list --sort-c Name -f value -c Name"),
		words("l2gw list --sort Name"),
		// Where a table is too wide, both break lines, but not at the same places.
		words("l2gw list --max-width 1000"),
		words("l2gw list --max-width 100 -c Name"),
		words("l2gw list --max-width 0"),
		words("l2gw show cligw2 --fit-width"),
	)
	add(
		step{args: []string{"l2gw", "list"}, env: map[string]string{"CLIFF_MAX_TERM_WIDTH": "500"}},
		step{args: []string{"l2gw", "show", "cligw2"}, env: map[string]string{"CLIFF_FIT_WIDTH": "1"}},
	)

	// Changing.
	for i, f := range ones {
		add(words("l2gw update cligw --name renamed" + string(rune('a'+i)) + " -f " + f))
		add(words("l2gw update renamed" + string(rune('a'+i)) + " --name cligw -f " + f))
	}
	add(
		words("l2gw update cligw --name cligw-new"),
		words("l2gw update cligw-new --device name=ps1,interface_names=eth3 --name cligw"),
		words("l2gw update {gateway cligw} --device name=ps1,interface_names=eth3;eth4"),
		words("l2gw update cligw2 --device name=ps2,interface_names=eth6|6#7 -f json"),
		words("l2gw update cligw2 --device name=ps2"),
		words("l2gw update cligw2 --device name=ps2,interface_names=eth6|x"),
		words("l2gw update cligw2 --device bogus"),
	)

	// Connections.
	add(
		words("l2gw connection create cligw clinet --default-segmentation-id 77"),
		words("l2gw connection create cligw clinet --default-segmentation-id 77"),
		words("l2gw connection create cligw clinet"),
		words("l2gw connection create nosuch clinet --default-segmentation-id 5"),
		words("l2gw connection create cligw nosuch --default-segmentation-id 5"),
		words("l2gw connection create cligw clinet --default-segmentation-id abc"),
		words("l2gw connection create cligw clinet --default-segmentation-id"),
		words("l2gw connection create cligw"),
		words("l2gw connection create cligw2 clinet --default-segmentation-id 5"),
		words("l2gw connection create cligw2 clinet -f json"),
		args("l2gw", "connection", "create", "{gateway cligw3}", "Büro 東京", "--default", "78", "-f", "yaml"),
		words("l2gw connection create cligw9 50cdaa0d-0fc7-41c1-81c8-e79f891126d3 --default-segmentation-id=79 -f shell"),
		words("l2gw connection create cligw10 clinet --default-segmentation-id 80 -f value"),
	)
	each(lists, "l2gw connection list")
	each(ones, "l2gw connection show {connection 0}")
	each(ones, "l2gw connection show {connection 1}")
	add(
		args("l2gw", "connection", "list", "-c", "ID", "-c", "Segmentation ID"),
		args("l2gw", "connection", "list", "--sort-column", "L2 GateWay ID", "-c", "Segmentation ID", "-f", "value"),
		args("l2gw", "connection", "list", "-f", "csv", "--quote", "nonnumeric", "-c", "Segmentation ID"),
		args("l2gw", "connection", "list", "-f", "csv", "--quote", "minimal", "-c", "Segmentation ID"),
		args("l2gw", "connection", "list", "-f", "csv", "--quote", "all", "-c", "Segmentation ID"),
		args("l2gw", "connection", "show", "{connection 0}", "-c", "Segmentation ID", "-c", "status", "-f", "json"),
	)

	// Who mistypes an id harms nothing, also where there is only one.
	add(
		words("l2gw connection delete {connection 1} nosuch {connection 2} {connection 3}"),
		words("l2gw connection list -f value"),
		words("l2gw connection show nosuch"),
		words("l2gw connection show 00000000-0000-0000-0000-000000000000"),
		words("l2gw connection delete nosuch"),
		words("l2gw connection delete 00000000-0000-0000-0000-000000000000"),
		words("l2gw delete cligw -f json"),
	)

	// Taking away.
	add(
		words("l2gw delete cligw"),
		words("l2gw connection delete {connection 0}"),
		words("l2gw connection delete 00000000-0000-0000-0000-000000000000"),
		words("l2gw delete cligw nosuch {gateway cligw2}"),
		args("l2gw", "delete", "cligw3", "two words", "comma", "equals", "unknown-keys"),
		words("l2gw list -c Name -f value"),
	)

	// Two of a name.
	add(
		words("l2gw create twin --device name=ps5,interface_names=eth1|8"),
		words("l2gw create twin --device name=ps5,interface_names=eth1|9"),
		words("l2gw show twin"),
		words("l2gw update twin --name x"),
		words("l2gw delete twin"),
		words("l2gw connection create twin clinet"),
	)

	// The same by the names of the neutron client.
	for _, st := range []step{
		words("l2gw create old --device name=ps6,interface_names=eth1;eth2"),
		words("l2gw create old2 --device name=ps6,interface_names=eth3|5 -f json"),
		words("l2gw list -f yaml"),
		words("l2gw show old -f shell"),
		words("l2gw update old --name older --device name=ps6,interface_names=eth4"),
		words("l2gw connection create older clinet --default-segmentation-id 6"),
		words("l2gw connection list -f csv"),
		words("l2gw connection show {connection 0}"),
		words("l2gw delete older"),
		words("l2gw connection delete {connection 0}"),
		words("l2gw delete older old2 nosuch"),
		words("l2gw show"),
	} {
		st.old = true
		add(st)
	}
	return all
}
