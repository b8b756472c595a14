// Package oslo reads the configuration of OpenStack services: just enough of
// oslo.config, compatible with it.
//
// What is guaranteed: a file that oslo.config 9 reads is read in the same way, that is
// with the same sections, options, values and precedence (its documentation,
// "Option Setting Locations", and the behaviour of its parser where that says nothing). Later
// files win over earlier ones, a later line wins over an earlier one, all values of an
// option that may be given several times add up, the environment wins over files. Every
// error names file, line, section, option and value as far as there are such, and what would be right.
//
// What is not: writing files, the types of oslo.config that none of our options
// has (dictionaries, ranges, addresses), other sources than files and the environment, and the
// command line. Options are not declared beforehand: what nobody asks for is ignored, and
// [Config.Unread] lists it.
package oslo
