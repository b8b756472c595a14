package store

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"l2gw"

	"github.com/uptrace/bun"
)

// quotaTables are where the resources that have quotas are counted.
var quotaTables = map[string]any{
	l2gw.QuotaGateways:    (*gatewayRow)(nil),
	l2gw.QuotaConnections: (*connectionRow)(nil),
}

func unlimited() map[string]int {
	limits := make(map[string]int, len(quotaTables))
	for resource := range quotaTables {
		limits[resource] = l2gw.Unlimited
	}
	return limits
}

// checkLimits: Neutron takes the same numbers (extensions/quotasv2.py).
func checkLimits(limits map[string]int) error {
	for _, resource := range slices.Sorted(maps.Keys(limits)) {
		if _, known := quotaTables[resource]; !known {
			return l2gw.BadAttribute("quota", "there is no quota of '%.255s': there is one of %s.", strings.ToValidUTF8(resource, "?"),
				strings.Join(slices.Sorted(maps.Keys(quotaTables)), " and of "))
		}
		if n := limits[resource]; n < l2gw.Unlimited || n > math.MaxInt32 {
			return l2gw.BadAttribute(resource, "'%d' is not in range %d through %d.", n, l2gw.Unlimited, math.MaxInt32)
		}
	}
	return nil
}

// QuotaDefaults returns the limits of projects that have none of their own, by resource.
func (s *Store) QuotaDefaults() map[string]int { return maps.Clone(s.quotas) }

// Quotas returns the projects that have limits of their own, and of each all
// limits by resource: its own and, where it has none, the defaults.
func (s *Store) Quotas(ctx context.Context) (map[string]map[string]int, error) {
	var rows []quotaRow
	err := s.ask(ctx, func(ctx context.Context, db bun.IDB) error {
		rows = nil
		return db.NewSelect().Model(&rows).Scan(ctx)
	})
	if err != nil {
		return nil, err
	}
	projects := map[string]map[string]int{}
	for _, r := range rows {
		if projects[r.ProjectID] == nil {
			projects[r.ProjectID] = s.QuotaDefaults()
		}
		override(projects[r.ProjectID], r)
	}
	return projects, nil
}

// override replaces a default by what a project has of its own. What a later
// version may count is nothing here.
func override(limits map[string]int, r quotaRow) {
	if _, known := limits[r.Resource]; known {
		limits[r.Resource] = r.Most
	}
}

// Quota returns what a project may have, and has, by resource. Any project is
// right: one that was never heard of has the defaults and uses nothing.
func (s *Store) Quota(ctx context.Context, project string) (map[string]l2gw.QuotaUsage, error) {
	var usage map[string]l2gw.QuotaUsage
	err := s.read(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		usage, err = s.usage(ctx, tx, project)
		return err
	})
	if err != nil {
		return nil, err
	}
	return usage, nil
}

func (s *Store) usage(ctx context.Context, tx bun.Tx, project string) (map[string]l2gw.QuotaUsage, error) {
	limits, err := s.limits(ctx, tx, project)
	if err != nil {
		return nil, err
	}
	usage := make(map[string]l2gw.QuotaUsage, len(limits))
	for resource, limit := range limits {
		used, err := countOf(ctx, tx, resource, project)
		if err != nil {
			return nil, err
		}
		usage[resource] = l2gw.QuotaUsage{Limit: limit, Used: used}
	}
	return usage, nil
}

// limits are those of a project, by resource.
func (s *Store) limits(ctx context.Context, tx bun.Tx, project string) (map[string]int, error) {
	limits := s.QuotaDefaults()
	if !storable(project) {
		return limits, nil
	}
	var rows []quotaRow
	if err := tx.NewSelect().Model(&rows).Where("project_id = ?", project).Scan(ctx); err != nil {
		return nil, err
	}
	for _, r := range rows {
		override(limits, r)
	}
	return limits, nil
}

func countOf(ctx context.Context, tx bun.Tx, resource, project string) (int, error) {
	if !storable(project) {
		return 0, nil
	}
	n, err := tx.NewSelect().Model(quotaTables[resource]).Where("project_id = ?", project).Count(ctx)
	return int(n), err
}

// withinQuota is asked in the transaction that has added rows of a resource to
// these projects. It has the lock of the intent row, so that nobody adds more.
// The error is OverQuota if one has more than it may.
func (s *Store) withinQuota(ctx context.Context, tx bun.Tx, resource string, projects map[string]bool) error {
	for some := range slices.Chunk(slices.Sorted(maps.Keys(projects)), idsPerStatement) {
		var own []quotaRow
		if err := tx.NewSelect().Model(&own).Where("resource = ? AND project_id IN (?)", resource, bun.List(some)).Scan(ctx); err != nil {
			return err
		}
		limits := make(map[string]int, len(some))
		for _, project := range some {
			limits[project] = s.quotas[resource]
		}
		for _, r := range own {
			limits[r.ProjectID] = r.Most
		}
		limited := slices.DeleteFunc(some, func(project string) bool { return limits[project] == l2gw.Unlimited })
		if len(limited) == 0 {
			continue
		}
		var used []struct {
			ProjectID string
			Used      int
		}
		if err := tx.NewSelect().Model(quotaTables[resource]).Column("project_id").ColumnExpr("COUNT(*) AS used").
			Where("project_id IN (?)", bun.List(limited)).Group("project_id").Scan(ctx, &used); err != nil {
			return err
		}
		for _, u := range used {
			if u.Used > limits[u.ProjectID] {
				return l2gw.OverQuota(resource)
			}
		}
	}
	return nil
}

// SetQuota gives a project limits of its own for the resources that are named;
// those of others stay as they are. A limit below what the project has takes
// nothing away. Errors: Invalid for a resource that has no quota, and for a limit
// that is not [l2gw.Unlimited] to 2147483647.
func (s *Store) SetQuota(ctx context.Context, project string, limits map[string]int) error {
	return s.setQuota(ctx, project, limits, false)
}

// SetSufficientQuota is [Store.SetQuota] for limits that must not be below what the
// project has at that moment: then the error is [l2gw.QuotaBelowUse], and nothing is
// changed.
func (s *Store) SetSufficientQuota(ctx context.Context, project string, limits map[string]int) error {
	return s.setQuota(ctx, project, limits, true)
}

func (s *Store) setQuota(ctx context.Context, project string, limits map[string]int, sufficient bool) error {
	if err := checkLimits(limits); err != nil {
		return err
	}
	if err := l2gw.CheckText("project_id", project); err != nil {
		return err
	}
	if project == "" {
		return l2gw.BadAttribute("project_id", "it must not be empty.")
	}
	if len(limits) == 0 {
		return nil
	}
	resources := slices.Sorted(maps.Keys(limits))
	rows := make([]quotaRow, len(resources))
	for i, resource := range resources {
		rows[i] = quotaRow{ProjectID: project, Resource: resource, Most: limits[resource]}
	}
	return s.write(ctx, func(ctx context.Context, tx bun.Tx, _ int64) error {
		if sufficient {
			used, err := s.usage(ctx, tx, project)
			if err != nil {
				return err
			}
			if err := l2gw.CheckUse(limits, used); err != nil {
				return err
			}
		}
		if _, err := tx.NewDelete().Model((*quotaRow)(nil)).
			Where("project_id = ? AND resource IN (?)", project, bun.List(resources)).Exec(ctx); err != nil {
			return err
		}
		return insert(ctx, tx, rows)
	})
}

// DeleteQuota lets the defaults count for a project again. Errors: NotFound
// (TenantQuotaNotFound) if it has no limits of its own.
func (s *Store) DeleteQuota(ctx context.Context, project string) error {
	if !storable(project) {
		return l2gw.QuotaNotFound(project)
	}
	return s.write(ctx, func(ctx context.Context, tx bun.Tx, _ int64) error {
		result, err := tx.NewDelete().Model((*quotaRow)(nil)).Where("project_id = ?", project).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = l2gw.QuotaNotFound(project)
		}
		return err
	})
}
