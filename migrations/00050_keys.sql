-- +goose Up
-- Keyrings are renewed by the worker: an owner has the data key rotated, the operator has
-- every keyring wrapped by another master key. What was asked stands here until the bucket
-- has the new keyring too, so that whoever dies on the way is gone on from.

alter table account_keys
    add column rotation_asked_at timestamptz,
    add column prepared_at timestamptz,
    add column rewrap_asked_at timestamptz,
    add column behind boolean not null default false,
    add column renewed_at timestamptz;
comment on column account_keys.rotation_asked_at is 'when a new data key was asked for that does not seal yet';
comment on column account_keys.prepared_at is 'since when the keyring has that data key, which every program gets to know before it seals';
comment on column account_keys.rewrap_asked_at is 'when the operator asked to have it wrapped anew; null: it was';
comment on column account_keys.behind is 'whether the bucket may hold an older keyring';
create index account_keys_due_idx on account_keys (account_id)
    where rotation_asked_at is not null or rewrap_asked_at is not null or behind;

-- +goose StatementBegin
create function guard_keyring() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'renew_keyring' then
        raise exception 'only its own job renews a keyring' using errcode = 'IM002';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_keyring() is 'a keyring that is lost takes everything with it: no other work of a program touches it';
create trigger account_keys_guard before update of wrapped on account_keys for each row
    when (old.wrapped is distinct from new.wrapped and current_user in ('imago_api', 'imago_worker', 'imago_drift'))
    execute function guard_keyring();

grant update (rotation_asked_at) on account_keys to imago_api;
grant update (wrapped, rotation_asked_at, prepared_at, rewrap_asked_at, behind, renewed_at) on account_keys to imago_worker;
grant update (rewrap_asked_at) on account_keys to imago_definer;

create table key_escrows (
    id uuid not null default new_id(),
    account_id uuid not null,
    recipient text not null,
    version integer not null default 0,
    file text not null default '',
    created_by uuid,
    created_at timestamptz not null default now(),
    made_at timestamptz,
    removed_at timestamptz,
    constraint key_escrows_pkey primary key (id),
    constraint key_escrows_account_fkey foreign key (account_id) references accounts (id),
    constraint key_escrows_created_by_fkey foreign key (created_by) references users (id),
    constraint key_escrows_recipient_form check (recipient ~ '^age1[a-z0-9]+$' and char_length(recipient) between 20 and 4000),
    constraint key_escrows_file_sealed check (file = '' or file like '-----BEGIN AGE ENCRYPTED FILE-----%')
);
create unique index key_escrows_recipient_key on key_escrows (account_id, recipient) where removed_at is null;
comment on table key_escrows is 'the account''s keyring, sealed to age recipients of its own, who alone can open it';
comment on column key_escrows.version is 'the last data key that it holds; 0: it is still to be made';
alter table key_escrows enable row level security;
alter table key_escrows force row level security;
create policy key_escrows_own on key_escrows to imago_api, imago_worker
    using (account_id = (select current_account()));
grant select, insert (account_id, recipient, created_by), update (removed_at) on key_escrows to imago_api;
grant select, update (version, file, made_at) on key_escrows to imago_worker;

-- +goose StatementBegin
create function empty_escrow() returns trigger
language plpgsql set search_path = ''
as $$
begin
    new.file := '';
    return new;
end
$$;
-- +goose StatementEnd
comment on function empty_escrow() is 'what was removed is not handed out any more';
create trigger key_escrows_removed before update on key_escrows for each row
    when (new.removed_at is not null) execute function empty_escrow();

-- Whoever has a stolen session seals the keys to a recipient of theirs: the owners are told.
alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent', 'payment_failed',
        'subscription_ends', 'subscription_ended', 'trial_ends', 'trial_ended', 'digest', 'storm', 'mail_stopped', 'product_update', 'escrow_made'));

alter table installation_keys add column rewrap_asked_at timestamptz;
grant update (wrapped, rewrap_asked_at) on installation_keys to imago_definer;

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For the owner.
-- +goose StatementBegin
create function ask_rewrap() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with installation as (update public.installation_keys set rewrap_asked_at = now() returning 1),
        accounts as (update public.account_keys set rewrap_asked_at = now() where wrapped <> '' returning 1)
    select (select count(*) from installation) + (select count(*) from accounts)
$$;
-- +goose StatementEnd
comment on function ask_rewrap() is 'has every keyring wrapped anew, by the master key that the workers use';

-- For the owner. The master key's name stands in clear in a keyring, which is JSON.
-- +goose StatementBegin
create function keyrings_by() returns table (name text, keyrings bigint, waiting bigint)
language sql stable security definer set search_path = ''
as $$
    select coalesce(substring(encode(k.wrapped, 'escape') from '"by":"([^"\\]*)"'), ''), count(*), count(*) filter (where k.waits)
    from (
        select wrapped, rewrap_asked_at is not null or behind as waits from public.account_keys where wrapped <> ''
        union all
        select wrapped, rewrap_asked_at is not null from public.installation_keys) k
    group by 1 order by 1
$$;
-- +goose StatementEnd
comment on function keyrings_by() is 'how many keyrings which master key wraps, and how many are still to be wrapped anew';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function due_keyrings(most int) returns table (account_id uuid)
language sql stable security definer set search_path = ''
as $$
    select k.account_id from public.account_keys k
    where public.current_job_kind() = 'run_schedules'
        and (k.rotation_asked_at is not null or k.rewrap_asked_at is not null or k.behind)
        and not exists (
            select from river.river_job j
            where j.kind = 'renew_keyring' and j.args @> jsonb_build_object('account_id', k.account_id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
    limit most
$$;
-- +goose StatementEnd
comment on function due_keyrings(int) is 'accounts whose keyring is to be renewed while no job does';

-- +goose StatementBegin
create function stands_renewal(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.account_keys k
        where k.account_id = public.as_uuid(args ->> 'account_id')
            and (k.rotation_asked_at is not null or k.rewrap_asked_at is not null or k.behind))
$$;
-- +goose StatementEnd
comment on function stands_renewal(jsonb) is 'whether a keyring is to be renewed that a tick is about to enqueue';

-- For imago_worker, with a running run_schedules job: the installation's own keyrings are
-- no account's, and the worker sees them only while they are to be wrapped anew.
-- +goose StatementBegin
create function due_installation_keys() returns table (purpose text, wrapped bytea)
language sql stable security definer set search_path = ''
as $$
    select k.purpose, k.wrapped from public.installation_keys k
    where public.current_job_kind() = 'run_schedules' and k.rewrap_asked_at is not null
$$;
-- +goose StatementEnd
comment on function due_installation_keys() is 'keyrings of the installation that are to be wrapped anew';

-- +goose StatementBegin
create function rewrap_installation_key(of_purpose text, was bytea, now_wrapped bytea) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with renewed as (
        update public.installation_keys k set wrapped = now_wrapped, rewrap_asked_at = null
        where public.current_job_kind() = 'run_schedules' and k.rewrap_asked_at is not null
            and k.purpose = of_purpose and k.wrapped = was
        returning 1)
    select exists (select from renewed)
$$;
-- +goose StatementEnd
comment on function rewrap_installation_key(text, bytea, bytea) is 'puts a keyring that was wrapped anew in the place of what it was';

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('ask_rewrap()', current_user::text),
            ('keyrings_by()', current_user::text),
            ('due_keyrings(int)', 'imago_worker'),
            ('stands_renewal(jsonb)', 'imago_worker'),
            ('due_installation_keys()', 'imago_worker'),
            ('rewrap_installation_key(text, bytea, bytea)', 'imago_worker')
        ) as t (signature, caller)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to %I', f.signature, f.caller);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd

create policy river_job_renewal_insert on river.river_job for insert to imago_worker
    with check (kind = 'renew_keyring' and (select current_job_kind()) = 'run_schedules' and stands_renewal(args));
create policy river_job_keys_insert on river.river_job for insert to imago_api
    with check (kind = 'renew_keyring' and args ->> 'account_id' = (select current_account())::text);

-- Who has the keys has everything: nothing for tokens.
alter table sessions drop constraint sessions_scopes_harmless;
alter table sessions add constraint sessions_scopes_harmless check (not scopes && array[
    'approve_restore', 'edit_members', 'edit_security', 'edit_sso', 'edit_keys', 'edit_billing', 'delete_connection', 'delete_account']);
