-- +goose Up
create table connections (
    id uuid not null default new_id(),
    account_id uuid not null,
    provider text not null,
    name text not null,
    org_url text not null,
    state text not null default 'new',
    problem jsonb,
    share real not null default 0.5,
    follow_seconds int not null default 60,
    org_id text not null default '',
    engine text not null default '',
    checked_at timestamptz,
    access jsonb not null default '[]',
    created_at timestamptz not null default now(),
    constraint connections_pkey primary key (id),
    constraint connections_account_id_key unique (account_id, id),
    constraint connections_name_key unique (account_id, name),
    constraint connections_org_url_key unique (account_id, org_url),
    constraint connections_account_fkey foreign key (account_id) references accounts (id),
    constraint connections_state_known check (state in ('new', 'checking', 'ready', 'failed')),
    constraint connections_share_range check (share > 0 and share <= 1),
    constraint connections_follow_range check (follow_seconds between 1 and 3600)
);
comment on table connections is 'one org bound to one account; no directory data';
alter table connections enable row level security;
alter table connections force row level security;
create policy connections_own on connections to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, insert, update (name, state, problem, share, follow_seconds) on connections to imago_api;
grant select, update (state, problem, org_id, engine, checked_at, access) on connections to imago_worker;
grant select on connections to imago_drift;

create table credentials (
    id uuid not null default new_id(),
    account_id uuid not null,
    connection_id uuid not null,
    purpose text not null,
    client_id text not null default '',
    key_id text not null,
    public_jwk jsonb not null,
    sealed_key bytea not null,
    scopes text[] not null default '{}',
    state text not null default 'new',
    created_at timestamptz not null default now(),
    constraint credentials_pkey primary key (id),
    constraint credentials_purpose_key unique (account_id, connection_id, purpose),
    constraint credentials_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id),
    constraint credentials_purpose_known check (purpose in ('read', 'write')),
    constraint credentials_state_known check (state in ('new', 'set', 'working', 'refused'))
);
comment on table credentials is 'service apps of the orgs; private keys are sealed to the workers, and the api cannot read them';
alter table credentials enable row level security;
alter table credentials force row level security;
create policy credentials_own on credentials to imago_api
    using (account_id = (select current_account()));
-- A write credential is seen by a job that applies a restore, and by nothing else.
create policy credentials_worker on credentials to imago_worker
    using (account_id = (select current_account())
        and (purpose = 'read' or (select current_job_kind()) = 'apply_restore'));
create policy credentials_drift on credentials to imago_drift
    using (account_id = (select current_account()) and purpose = 'read');
grant select (id, account_id, connection_id, purpose, client_id, key_id, public_jwk, scopes, state, created_at),
    insert, update (client_id, scopes, state) on credentials to imago_api;
grant select, update (state) on credentials to imago_worker;
grant select on credentials to imago_drift;

create table schedules (
    connection_id uuid not null,
    account_id uuid not null,
    cron text not null,
    time_zone text not null,
    enabled boolean not null,
    next_run_at timestamptz,
    last_run_at timestamptz,
    alarm_at timestamptz,
    constraint schedules_pkey primary key (account_id, connection_id),
    constraint schedules_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id),
    constraint schedules_next_run check (not enabled or next_run_at is not null)
);
create index schedules_due_idx on schedules (next_run_at) where enabled;
create index schedules_alarm_idx on schedules (alarm_at) where enabled;
comment on table schedules is 'when snapshots of a connection are taken by themselves';
comment on column schedules.alarm_at is 'when somebody must hear that no snapshot was taken; null: to be worked out; infinity: they have heard';
alter table schedules enable row level security;
alter table schedules force row level security;
create policy schedules_own on schedules to imago_api, imago_worker
    using (account_id = (select current_account()));
grant select, insert, update (cron, time_zone, enabled, next_run_at, alarm_at) on schedules to imago_api;
-- The worker gives a connection that has become ready its first schedule.
grant select, insert (connection_id, account_id, cron, time_zone, enabled, next_run_at), update (alarm_at)
    on schedules to imago_worker;

grant select on connections to imago_definer;
grant select (account_id, connection_id, purpose, client_id) on credentials to imago_definer;
grant select, update on schedules to imago_definer;
create policy connections_definer on connections for select to imago_definer using (true);
create policy credentials_definer on credentials for select to imago_definer using (true);
create policy schedules_definer on schedules to imago_definer using (true) with check (true);
