package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"l2gw/internal/cli"
	"l2gw/internal/store"
)

// databaseKeys are the options of oslo.db that mean something here, and where ini
// files have them.
var databaseKeys = map[string]key{
	"database":                         {"database", "connection"},
	"database-connection-parameters":   {"database", "connection_parameters"},
	"database-max-pool-size":           {"database", "max_pool_size"},
	"database-max-overflow":            {"database", "max_overflow"},
	"database-connection-recycle-time": {"database", "connection_recycle_time"},
	"database-max-retries":             {"database", "max_retries"},
	"database-retry-interval":          {"database", "retry_interval"},
	"database-wsrep-sync-wait":         {"database", "mysql_wsrep_sync_wait"},

	anyQuota:        {"quotas", "default_quota"},
	gatewayQuota:    {"quotas", "quota_l2_gateway"},
	connectionQuota: {"quotas", "quota_l2_gateway_connection"},
}

// osloDBIgnored are the options of oslo.db that mean nothing here: what they are
// about is done otherwise, always, or not at all.
var osloDBIgnored = []string{
	"backend", "connection_debug", "connection_trace", "db_inc_retry_interval", "db_max_retries", "db_max_retry_interval", "db_retry_interval",
	"idle_timeout", "min_pool_size", "mysql_enable_ndb", "mysql_sql_mode", "pool_timeout", "slave_connection", "sqlite_synchronous",
	"use_db_reconnect", "asyncio_connection", "asyncio_slave_connection", "synchronous_reader",
}

// databaseOptions say which database and how it is spoken to.
type databaseOptions struct {
	url                     string
	parameters              string // more options of the URL
	poolSize, overflow      int
	recycle, retries, pause int // pause and recycle are seconds
	syncWait                int

	quotas quotaOptions

	ignored map[string]*string
	flags   *pflag.FlagSet
}

func (o *databaseOptions) addFlags(f *pflag.FlagSet) {
	o.flags = f
	f.StringVar(&o.url, "database", "", "URL of the database: postgresql://…, mysql+pymysql://… or sqlite:////PATH (a single server)")
	o.addTuning(f)
	o.quotas.hide()
}

// addTuning adds the options that are rarely wanted: they are known from ini
// files and the environment, and not listed.
func (o *databaseOptions) addTuning(f *pflag.FlagSet) {
	o.flags = f
	f.StringVar(&o.parameters, "database-connection-parameters", "", "more options of the URL, name=value&name=value")
	f.IntVar(&o.poolSize, "database-max-pool-size", 10, "reading connections that are kept; 0: no limit")
	f.IntVar(&o.overflow, "database-max-overflow", 0, "how many more there may be for a moment; -1: no limit")
	f.IntVar(&o.recycle, "database-connection-recycle-time", 600, "seconds after which a connection is replaced; -1: never")
	f.IntVar(&o.retries, "database-max-retries", 0, "how often to try again at the start while the server is away; -1: without end")
	f.IntVar(&o.pause, "database-retry-interval", 10, "seconds between these")
	o.quotas.addFlags(f)
	f.IntVar(&o.syncWait, "database-wsrep-sync-wait", 1, "wsrep_sync_wait on a node of a Galera cluster")
	o.ignored = map[string]*string{}
	for _, name := range osloDBIgnored {
		o.ignored[name] = f.String("database-"+strings.ReplaceAll(name, "_", "-"), "", "not used")
	}
	f.VisitAll(func(flag *pflag.Flag) {
		if strings.HasPrefix(flag.Name, "database-") {
			flag.Hidden = true
		}
	})
}

// keys are where ini files have the options.
func (o *databaseOptions) keys() map[string]key {
	keys := maps.Clone(databaseKeys)
	for _, name := range osloDBIgnored {
		keys["database-"+strings.ReplaceAll(name, "_", "-")] = key{"database", name}
	}
	return keys
}

// and are the keys of the options and others.
func (o *databaseOptions) and(others map[string]key) map[string]key {
	keys := o.keys()
	maps.Copy(keys, others)
	return keys
}

// use gives a server its database, whose URL it has been told.
func (o *databaseOptions) use(s *serverOptions, log *slog.Logger) (err error) {
	if unused := o.notUsed(); len(unused) > 0 {
		log.Info("options that mean nothing here are ignored", "options", strings.Join(unused, ", "))
	}
	o.url, s.store = s.database, o.options()
	s.database, err = o.connection()
	return err
}

// notUsed are the options that are given and mean nothing here.
func (o *databaseOptions) notUsed() (given []string) {
	for _, name := range osloDBIgnored {
		if f := o.flags.Lookup("database-" + strings.ReplaceAll(name, "_", "-")); f != nil && f.Changed {
			given = append(given, key{"database", name}.String())
		}
	}
	return given
}

// connection is the URL with all parameters.
func (o *databaseOptions) connection() (string, error) {
	if o.url == "" {
		return "", errors.New("--database is missing: it must look like postgresql://USER:PASSWORD@HOST/DATABASE, " +
			"mysql+pymysql://USER:PASSWORD@HOST/DATABASE or sqlite:////PATH ([database] connection in ini files)")
	}
	if o.parameters == "" {
		return o.url, nil
	}
	if _, err := url.ParseQuery(o.parameters); err != nil {
		return "", errors.New("[database] connection_parameters: it must look like name=value&name=value")
	}
	separator := "?"
	if strings.Contains(o.url, "?") {
		separator = "&"
	}
	return o.url + separator + o.parameters, nil
}

// options are those of the store, as far as they are given.
func (o *databaseOptions) options() (options []store.Option) {
	given := o.flags.Changed
	options = append(options, o.quotas.defaults())
	if given("database-max-pool-size") || given("database-max-overflow") {
		options = append(options, store.WithPool(o.poolSize, o.overflow))
	}
	if given("database-connection-recycle-time") {
		options = append(options, store.WithConnectionLifetime(time.Duration(o.recycle)*time.Second))
	}
	if given("database-max-retries") {
		options = append(options, store.WithRetries(o.retries, time.Duration(o.pause)*time.Second))
	}
	if given("database-wsrep-sync-wait") {
		options = append(options, store.WithSyncWait(o.syncWait))
	}
	return options
}

// newDB is for those who keep the database.
func newDB() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "Look after the database: its version, its health, its upgrade",
		Long: "Look after the database: its version, its health, its upgrade.\n\n" +
			"The database is the one of --database, L2GW_DATABASE, or [database] connection in the files of --config-file.",
	}
	cmd.AddCommand(
		newDBCommand("upgrade", "Bring the schema up to date",
			"Bring the schema up to date. A server does the same when it starts, if its user may change tables. Servers of\n"+
				"the version before go on working. Doing it twice, or from several hosts at once, does no harm.\n\n"+
				"Exit code: 0 it is up to date; 1 it is not, and the message says why.", upgradeDB),
		newDBCommand("version", "Show the versions of the schema and of this program",
			"Show the versions of the schema and of this program.\n\n"+
				"Exit code: 0 they work together; 1 they do not, or the database cannot be read; 3 migrations are pending.", versionDB),
		newDBCommand("check", "Look whether the database is as it must be",
			"Look whether the database is as it must be: server, encryption, clock, schema, rights, collation, indexes, and\n"+
				"whether its contents agree with one another. Nothing is changed.\n\n"+
				"Exit code: 0 all is well, warnings included; 1 the database cannot be reached or read; 3 something is wrong.", checkDB),
	)
	return cmd
}

func newDBCommand(use, short, long string, run func(ctx context.Context, out io.Writer, url string, options []store.Option) error) *cobra.Command {
	var common commonOptions
	var database databaseOptions
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if err := common.fill(cmd.Flags(), database.keys()); err != nil {
				return err
			}
			log, file, err := common.logger()
			if err != nil {
				return err
			}
			defer file.close()
			if unused := database.notUsed(); len(unused) > 0 {
				log.Info("options that mean nothing here are ignored", "options", strings.Join(unused, ", "))
			}
			url, err := database.connection()
			if err != nil {
				return err
			}
			return run(cmd.Context(), cmd.OutOrStdout(), url, database.options())
		},
	}
	database.addFlags(cmd.Flags())
	common.addFlags(cmd.Flags())
	return cmd
}

func upgradeDB(ctx context.Context, out io.Writer, url string, options []store.Option) error {
	from, to, err := store.Upgrade(ctx, url, options...)
	if err != nil {
		return err
	}
	switch {
	case from.Pending == 0:
		fmt.Fprintf(out, "The schema is of version %d already; nothing to do.\n", to.Database)
	case from.Database == 0:
		fmt.Fprintf(out, "The tables are made; the schema is of version %d.\n", to.Database)
	default:
		fmt.Fprintf(out, "The schema was of version %d and is of version %d now.\n", from.Database, to.Database)
	}
	return nil
}

// pendingCode is the exit code where something is to be done.
const pendingCode = 3

func versionDB(ctx context.Context, out io.Writer, url string, options []store.Option) error {
	schema, err := store.SchemaOf(ctx, url, options...)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "database  %d\nprogram   %d (l2gw %s)\n", schema.Database, schema.Program, version)
	switch {
	case schema.Pending > 0:
		fmt.Fprintf(out, "pending   %d: run `l2gw db upgrade`\n", schema.Pending)
		return cli.Exit(pendingCode)
	case schema.Database > schema.Program:
		fmt.Fprintln(out, "The database is newer than this program, which works with it.")
	}
	return nil
}

func checkDB(ctx context.Context, out io.Writer, url string, options []store.Option) error {
	findings, err := store.Check(ctx, url, options...)
	if err != nil {
		return err
	}
	wrong := false
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Verdict, f.Subject, f.Text)
		wrong = wrong || f.Verdict == store.Wrong
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if wrong {
		return cli.Exit(pendingCode)
	}
	return nil
}
