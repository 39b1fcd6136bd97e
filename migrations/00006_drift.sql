-- +goose Up
create table log_cursors (
    connection_id uuid not null,
    account_id uuid not null,
    cursor text not null,
    polled_at timestamptz,
    next_poll_at timestamptz,
    lag_seconds real not null default 0,
    problem jsonb,
    alarmed_at timestamptz,
    constraint log_cursors_pkey primary key (account_id, connection_id),
    constraint log_cursors_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id)
);
comment on table log_cursors is 'how far each org''s log was read';
comment on column log_cursors.alarmed_at is 'when it was told that nobody reads the log; null again once somebody does';
alter table log_cursors enable row level security;
alter table log_cursors force row level security;
create policy log_cursors_own on log_cursors to imago_api, imago_drift
    using (account_id = (select current_account()));
grant select (connection_id, account_id, polled_at, next_poll_at, lag_seconds, problem) on log_cursors to imago_api;
grant select, insert, update (cursor, polled_at, next_poll_at, lag_seconds, problem, alarmed_at) on log_cursors to imago_drift;
grant select, insert (connection_id, account_id, cursor, alarmed_at), update (alarmed_at) on log_cursors to imago_definer;
create policy log_cursors_definer on log_cursors to imago_definer using (true) with check (true);

create table findings (
    id uuid not null default new_id(),
    account_id uuid not null,
    connection_id uuid not null,
    rule text not null,
    severity text not null,
    dedup_key text not null,
    resource_type text not null,
    sealed bytea not null,
    event_time timestamptz not null,
    found_at timestamptz not null default now(),
    state text not null default 'open',
    resolved_by uuid,
    resolved_at timestamptz,
    constraint findings_pkey primary key (id),
    constraint findings_dedup_key unique (account_id, connection_id, dedup_key),
    constraint findings_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id),
    constraint findings_resolved_by_fkey foreign key (resolved_by) references users (id),
    constraint findings_severity_known check (severity in ('low', 'medium', 'high', 'critical')),
    constraint findings_state_known check (state in ('open', 'acknowledged', 'accepted', 'resolved'))
);
create index findings_list_idx on findings (account_id, connection_id, id);
create index findings_together_idx on findings (account_id, connection_id, found_at);
comment on table findings is 'changes that somebody should hear about; what, who and from where are sealed';
comment on column findings.dedup_key is 'keyed digest of what was found, so that it is stored once and tells nothing';
alter table findings enable row level security;
alter table findings force row level security;
create policy findings_own on findings to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, update (state, resolved_by, resolved_at) on findings to imago_api;
grant select on findings to imago_worker;
grant select, insert (id, account_id, connection_id, rule, severity, dedup_key, resource_type, sealed, event_time)
    on findings to imago_drift;

create table sightings (
    connection_id uuid not null,
    account_id uuid not null,
    resource text not null,
    sealed bytea not null,
    seen_at timestamptz not null,
    constraint sightings_pkey primary key (account_id, connection_id, resource),
    constraint sightings_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id)
);
comment on table sightings is 'resources as the drift monitor saw them last, since the snapshot that it compares with';
comment on column sightings.resource is 'keyed digest of the resource''s key';
alter table sightings enable row level security;
alter table sightings force row level security;
create policy sightings_own on sightings to imago_drift
    using (account_id = (select current_account()));
grant select, insert, update (sealed, seen_at), delete on sightings to imago_drift;
