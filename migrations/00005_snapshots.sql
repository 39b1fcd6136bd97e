-- +goose Up
create table snapshots (
    id uuid not null default new_id(),
    account_id uuid not null,
    connection_id uuid not null,
    trigger text not null,
    state text not null default 'queued',
    requested_by uuid,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    waits_until timestamptz,
    manifest_digest text not null default '',
    objects bigint not null default 0,
    bytes bigint not null default 0,
    plain_bytes bigint not null default 0,
    calls bigint not null default 0,
    gaps int not null default 0,
    types jsonb not null default '[]',
    checkpoint bytea,
    lease bigint not null default 0,
    problem jsonb,
    constraint snapshots_pkey primary key (id),
    constraint snapshots_account_id_key unique (account_id, id),
    constraint snapshots_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id),
    constraint snapshots_requested_by_fkey foreign key (requested_by) references users (id),
    constraint snapshots_trigger_known check (trigger in ('schedule', 'manual', 'verify')),
    constraint snapshots_state_known check (state in ('queued', 'running', 'complete', 'partial', 'failed')),
    -- No snapshot is listed as taken that has no manifest in the store.
    constraint snapshots_manifest check (state not in ('complete', 'partial') or manifest_digest <> ''),
    constraint snapshots_ended check ((ended_at is not null) = (state in ('complete', 'partial', 'failed')))
);
-- One job per connection at a time writes its repository.
create unique index snapshots_unfinished_key on snapshots (account_id, connection_id) where state in ('queued', 'running');
create index snapshots_list_idx on snapshots (account_id, connection_id, id);
comment on table snapshots is 'snapshots of connections, taken and being taken; what they hold lies in the store';
comment on column snapshots.lease is 'the attempt that may write: raised at each start of a slice, so that a slow ghost cannot';
comment on column snapshots.checkpoint is 'sealed: where the next slice goes on; cleared at the end';
comment on column snapshots.types is 'per type: objects, calls, gaps; no directory data';
alter table snapshots enable row level security;
alter table snapshots force row level security;
create policy snapshots_own on snapshots to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select (id, account_id, connection_id, trigger, state, requested_by, created_at, started_at, ended_at,
        waits_until, manifest_digest, objects, bytes, plain_bytes, calls, gaps, types, problem),
    insert (id, account_id, connection_id, trigger, requested_by) on snapshots to imago_api;
grant select, insert (id, account_id, connection_id, trigger, requested_by),
    update (state, started_at, ended_at, waits_until, manifest_digest, objects, bytes, plain_bytes, calls, gaps,
        types, checkpoint, lease, problem) on snapshots to imago_worker;
grant select (id, account_id, connection_id, trigger, state, requested_by, created_at, started_at, ended_at,
        waits_until, manifest_digest, objects, bytes, plain_bytes, calls, gaps, types, problem)
    on snapshots to imago_drift;

-- +goose StatementBegin
create function guard_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if old.state in ('complete', 'partial', 'failed') then
        raise exception 'snapshot % has ended', old.id using errcode = 'IM003';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_snapshot() is 'a snapshot that has ended does not change';
create trigger snapshots_guard before update on snapshots for each row execute function guard_snapshot();

grant select (id, account_id, connection_id, state, created_at, ended_at, lease), insert,
    update (state, ended_at, lease, checkpoint, problem) on snapshots to imago_definer;
create policy snapshots_definer on snapshots to imago_definer using (true) with check (true);
