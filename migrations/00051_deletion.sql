-- +goose Up
-- An account's deletion waits for 72 hours, in which every owner is told and may take it
-- back. Then its keyring is destroyed, which makes all that is sealed unreadable wherever it
-- lies, and then the rest goes. The activity log stays, whose names are sealed.

alter table accounts
    add column deletion_id uuid,
    add column deletion_asked_at timestamptz,
    add column deletion_asked_by uuid,
    add column deletion_due_at timestamptz,
    add column shredded_at timestamptz,
    add column purged_at timestamptz,
    add constraint accounts_deletion_whole check (
        (deletion_id is null) = (deletion_due_at is null) and (deletion_id is null) = (deletion_asked_at is null)),
    add constraint accounts_shredded_asked check (shredded_at is null or deletion_id is not null);
create index accounts_deletion_idx on accounts (deletion_due_at) where deletion_id is not null and purged_at is null;
comment on column accounts.deletion_id is 'of the deletion that was asked for; null: none, or it was taken back';
comment on column accounts.shredded_at is 'when the keyring was destroyed in Postgres: from then on nothing opens';
comment on column accounts.purged_at is 'when the rest was gone, too';
grant update (deletion_id, deletion_asked_at, deletion_asked_by, deletion_due_at) on accounts to imago_api;
grant update (purged_at) on accounts to imago_worker;
grant select, update (name, deletion_id, deletion_asked_at, deletion_asked_by, deletion_due_at, shredded_at, purged_at) on accounts to imago_definer;

-- +goose StatementBegin
create function guard_deletion() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if public.current_member_role() is distinct from 'owner' then
        raise exception 'your role does not allow to delete the account' using errcode = 'IM002', hint = 'ask an owner of the account';
    end if;
    if old.shredded_at is not null then
        raise exception 'the account''s keys are destroyed' using errcode = 'IM003';
    end if;
    if new.deletion_id is not null and (old.deletion_id is not null
            or new.deletion_asked_at <> now() or new.deletion_due_at <> now() + interval '72 hours'
            or new.deletion_asked_by is distinct from public.current_user_id()) then
        raise exception 'a deletion waits for 72 hours' using errcode = 'IM003';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_deletion() is 'a stolen session is no destroy button: nobody shortens the time in which the owners can take a deletion back';
create trigger accounts_deletion before update of deletion_id, deletion_asked_at, deletion_asked_by, deletion_due_at on accounts for each row
    when (current_user in ('imago_api', 'imago_worker', 'imago_drift') and (old.deletion_id, old.deletion_asked_at, old.deletion_asked_by, old.deletion_due_at)
        is distinct from (new.deletion_id, new.deletion_asked_at, new.deletion_asked_by, new.deletion_due_at))
    execute function guard_deletion();

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent', 'payment_failed',
        'subscription_ends', 'subscription_ended', 'trial_ends', 'trial_ended', 'digest', 'storm', 'mail_stopped', 'product_update', 'escrow_made', 'account_deletion'));

-- Whatever is deleted is the running job's account's, and its keys are gone before it.
-- +goose StatementBegin
create function current_shredded() returns uuid
language sql stable security definer set search_path = ''
as $$
    select a.id from public.accounts a
    where a.id = public.current_account() and a.shredded_at is not null and public.current_job_kind() = 'delete_account'
$$;
-- +goose StatementEnd
comment on function current_shredded() is 'the account that the running job deletes, whose keys are destroyed';

-- +goose StatementBegin
do $$
declare
    t text;
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.current_shredded() owner to imago_definer';
    execute 'revoke execute on function public.current_shredded() from public';
    execute 'grant execute on function public.current_shredded() to imago_definer';
    foreach t in array array[
        'finding_states', 'findings', 'sightings', 'change_days', 'restore_steps', 'restores', 'snapshots', 'schedules',
        'log_cursors', 'credentials', 'connections', 'messages', 'mail_events', 'mail_preferences', 'digest_times',
        'idempotency_keys', 'sso_attempts', 'sso_identities', 'sso_providers', 'device_sign_ins', 'invitations',
        'subscriptions', 'billing_events', 'billing_looks', 'key_escrows', 'sessions', 'members'
    ] loop
        execute format('grant select, delete on %I to imago_definer', t);
        execute format('create policy %I on %I for delete to imago_definer using (account_id = (select current_shredded()))', t || '_shred', t);
        execute format('create policy %I on %I for select to imago_definer using (account_id = (select current_shredded()))', t || '_shred_see', t);
    end loop;
end
$$;
-- +goose StatementEnd
grant delete on river.river_job to imago_definer;
create policy river_job_shred on river.river_job for delete to imago_definer
    using (args ->> 'account_id' = (select current_account())::text and (select current_job_kind()) = 'delete_account');
grant update (wrapped, renewed_at, rotation_asked_at, prepared_at, behind) on account_keys to imago_definer;
grant update (file) on key_escrows to imago_definer;
create policy key_escrows_definer on key_escrows for update to imago_definer using (account_id = (select current_account()));

-- +goose StatementBegin
create or replace function guard_connection() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if old.demo = '' and public.current_shredded() is distinct from old.account_id and exists (select from public.snapshots s
            where s.account_id = old.account_id and s.connection_id = old.id and s.state <> 'failed') then
        raise exception 'connection % holds snapshots', old.id using errcode = 'IM003';
    end if;
    return old;
end
$$;
-- +goose StatementEnd

-- For imago_worker, with a running delete_account job.
-- +goose StatementBegin
create function shred_account(of_deletion uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    gone uuid;
begin
    if public.current_job_kind() is distinct from 'delete_account' then
        raise exception 'only its own job deletes an account' using errcode = 'IM002';
    end if;
    update public.accounts a set shredded_at = now()
    where a.id = public.current_account() and a.deletion_id = of_deletion and a.deletion_due_at <= now() and a.shredded_at is null
    returning a.id into gone;
    if gone is null then
        return false;
    end if;
    update public.account_keys k set wrapped = '', renewed_at = now(),
        rotation_asked_at = null, prepared_at = null, rewrap_asked_at = null, behind = false
    where k.account_id = gone;
    update public.key_escrows e set file = '' where e.account_id = gone;
    update public.sessions s set revoked_at = now() where s.account_id = gone and s.revoked_at is null;
    delete from river.river_job j
    where j.args ->> 'account_id' = gone::text and j.id <> public.current_job_id() and j.state <> 'running';
    return true;
end
$$;
-- +goose StatementEnd
comment on function shred_account(uuid) is 'destroys the keyring of an account whose deletion is due, and puts everybody out';

-- For imago_worker, with a running delete_account job.
-- +goose StatementBegin
create function purge_account() returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    gone uuid := public.current_shredded();
    t text;
begin
    if gone is null then
        return false;
    end if;
    foreach t in array array[
        'finding_states', 'findings', 'sightings', 'change_days', 'restore_steps', 'restores', 'snapshots', 'schedules',
        'log_cursors', 'credentials', 'connections', 'messages', 'mail_events', 'mail_preferences', 'digest_times',
        'idempotency_keys', 'sso_attempts', 'sso_identities', 'sso_providers', 'device_sign_ins', 'invitations',
        'subscriptions', 'billing_events', 'billing_looks', 'key_escrows', 'sessions', 'members'
    ] loop
        execute format('delete from public.%I where account_id = $1', t) using gone;
    end loop;
    delete from river.river_job j
    where j.args ->> 'account_id' = gone::text and j.id <> public.current_job_id() and j.state <> 'running';
    update public.accounts a set name = 'deleted', deletion_asked_by = null, purged_at = now() where a.id = gone;
    return true;
end
$$;
-- +goose StatementEnd
comment on function purge_account() is 'removes what is left of an account whose keys are destroyed, but for its activity log';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function due_deletions(most int) returns table (account_id uuid, deletion_id uuid)
language sql stable security definer set search_path = ''
as $$
    select a.id, a.deletion_id from public.accounts a
    where public.current_job_kind() = 'run_schedules' and a.deletion_id is not null and a.purged_at is null
        and not exists (
            select from river.river_job j
            where j.kind = 'delete_account' and j.args @> jsonb_build_object('account_id', a.id, 'deletion_id', a.deletion_id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
    limit most
$$;
-- +goose StatementEnd
comment on function due_deletions(int) is 'accounts that are to be deleted, to which no job sees';

-- +goose StatementBegin
create function stands_deletion(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.accounts a
        where a.id = public.as_uuid(args ->> 'account_id') and a.deletion_id = public.as_uuid(args ->> 'deletion_id') and a.purged_at is null)
$$;
-- +goose StatementEnd
comment on function stands_deletion(jsonb) is 'whether an account is to be deleted whose job a tick is about to enqueue';

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    foreach signature in array array['shred_account(uuid)', 'purge_account()', 'due_deletions(int)', 'stands_deletion(jsonb)'] loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
        execute format('grant execute on function public.%s to imago_worker', signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd

create policy river_job_deletion_insert on river.river_job for insert to imago_worker
    with check (kind = 'delete_account' and (select current_job_kind()) = 'run_schedules' and stands_deletion(args));
create policy river_job_deletion_api_insert on river.river_job for insert to imago_api
    with check (kind = 'delete_account' and args ->> 'account_id' = (select current_account())::text);
