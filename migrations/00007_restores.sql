-- +goose Up
create table restores (
    id uuid not null default new_id(),
    account_id uuid not null,
    connection_id uuid not null,
    snapshot_id uuid not null,
    state text not null default 'planning',
    selection_sealed bytea not null,
    plan_sealed bytea,
    plan_digest text,
    requested_by uuid not null,
    approved_by uuid,
    approved_at timestamptz,
    receipt_sealed bytea,
    problem jsonb,
    lease bigint not null default 0,
    created_at timestamptz not null default now(),
    apply_requested_at timestamptz,
    window_opened_at timestamptz,
    window_closed_at timestamptz,
    ended_at timestamptz,
    constraint restores_pkey primary key (id),
    constraint restores_account_id_key unique (account_id, id),
    constraint restores_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id),
    constraint restores_snapshot_fkey foreign key (account_id, snapshot_id) references snapshots (account_id, id),
    constraint restores_requested_by_fkey foreign key (requested_by) references users (id),
    constraint restores_approved_by_fkey foreign key (approved_by) references users (id),
    constraint restores_state_known check (state in ('planning', 'planned', 'approved', 'waiting', 'applying',
        'verifying', 'verified', 'closing', 'closed', 'failed', 'cancelled', 'stopped')),
    constraint restores_plan check ((plan_sealed is null) = (plan_digest is null)),
    -- Nothing is written to an org without a plan that somebody approved.
    constraint restores_approved check (state in ('planning', 'planned', 'failed', 'cancelled')
        or (plan_digest is not null and approved_by is not null and approved_at is not null))
);
-- One restore at a time writes to an org.
create unique index restores_writing_key on restores (account_id, connection_id)
    where state in ('waiting', 'applying', 'verifying', 'verified', 'closing');
create index restores_list_idx on restores (account_id, connection_id, id);
comment on table restores is 'restores: planned, approved by digest, applied, verified, closed';
comment on column restores.lease is 'the attempt that may write: raised at each start of a slice';
alter table restores enable row level security;
alter table restores force row level security;
create policy restores_own on restores to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, insert (id, account_id, connection_id, snapshot_id, selection_sealed, requested_by),
    update (state, approved_by, approved_at, apply_requested_at, ended_at) on restores to imago_api;
grant select, update (state, plan_sealed, plan_digest, receipt_sealed, problem, lease, window_opened_at,
    window_closed_at, ended_at) on restores to imago_worker;
grant select (id, account_id, connection_id, state, window_opened_at, window_closed_at) on restores to imago_drift;
grant select (id, account_id, state, created_at, apply_requested_at, window_opened_at, lease),
    update (state, ended_at, lease, window_closed_at, problem) on restores to imago_definer;
create policy restores_definer on restores to imago_definer using (true) with check (true);

-- +goose StatementBegin
create function guard_restore() returns trigger
language plpgsql set search_path = ''
as $$
declare
    -- From each state, where a restore may go.
    onward jsonb := '{
        "planning":  ["planned", "failed", "cancelled"],
        "planned":   ["approved", "cancelled"],
        "approved":  ["waiting", "applying", "failed", "stopped", "cancelled"],
        "waiting":   ["applying", "failed", "stopped", "cancelled"],
        "applying":  ["waiting", "verifying", "closing", "failed", "stopped"],
        "verifying": ["waiting", "verified", "closing", "failed", "stopped"],
        "verified":  ["closing", "closed", "failed", "stopped"],
        "closing":   ["closed", "failed", "stopped"]
    }';
begin
    if new.state <> old.state and not coalesce(onward -> old.state ? new.state, false) then
        raise exception 'restore % cannot go from % to %', old.id, old.state, new.state using errcode = 'IM003';
    end if;
    if old.state <> 'planning' and (new.plan_digest is distinct from old.plan_digest
            or new.plan_sealed is distinct from old.plan_sealed) then
        raise exception 'the plan of restore % does not change any more', old.id using errcode = 'IM003';
    end if;
    if new.approved_by is distinct from old.approved_by
            and new.approved_by is distinct from public.current_user_id() then
        raise exception 'restore % is approved by whoever is signed in, and nobody else', old.id using errcode = 'IM002';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_restore() is 'the states of a restore in their order; a plan that stays what it was; an approval in one''s own name';
create trigger restores_guard before update on restores for each row execute function guard_restore();

create table restore_steps (
    restore_id uuid not null,
    account_id uuid not null,
    n int not null,
    state text not null default 'begun',
    op text not null,
    resource_type text not null,
    sealed bytea,
    begun_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint restore_steps_pkey primary key (account_id, restore_id, n),
    constraint restore_steps_restore_fkey foreign key (account_id, restore_id) references restores (account_id, id),
    constraint restore_steps_state_known check (state in ('begun', 'done', 'failed', 'skipped')),
    constraint restore_steps_op_known check (op in ('create', 'update', 'delete')),
    constraint restore_steps_ended check ((state = 'begun') = (ended_at is null))
);
comment on table restore_steps is 'the journal of restores: which steps were begun, which were made; new IDs are sealed';
alter table restore_steps enable row level security;
alter table restore_steps force row level security;
create policy restore_steps_own on restore_steps to imago_api, imago_worker
    using (account_id = (select current_account()));
grant select on restore_steps to imago_api;
grant select, insert (restore_id, account_id, n, state, op, resource_type, sealed, ended_at),
    update (state, sealed, ended_at) on restore_steps to imago_worker;
