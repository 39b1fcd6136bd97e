-- +goose Up
-- Product updates: what the operator tells everybody who asked for it, once each, however
-- many accounts they are in and however often it is sent.

create table product_updates (
    id uuid not null default new_id(),
    subject text not null,
    body text not null,
    created_at timestamptz not null default now(),
    queued_at timestamptz,
    constraint product_updates_pkey primary key (id),
    constraint product_updates_subject_length check (char_length(subject) between 1 and 120),
    constraint product_updates_body_length check (char_length(body) between 1 and 20000)
);
create unique index product_updates_once_key on product_updates (md5(subject || chr(10) || body));
comment on table product_updates is 'news of Imago itself, by the operator; nothing in it is anybody''s';
comment on column product_updates.body is 'Markdown';
comment on column product_updates.queued_at is 'when there was nobody left who was to get it; sending it again asks anew';
grant select on product_updates to imago_worker;
grant select, update (queued_at) on product_updates to imago_definer;

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent',
        'payment_failed', 'subscription_ended', 'trial_ends', 'trial_ended', 'digest', 'storm', 'mail_stopped', 'product_update'));
-- A person who asked in two accounts gets it in one of them.
create unique index messages_update_once_key on messages (subject_id, user_id) where kind = 'product_update';
create index mail_preferences_updates_idx on mail_preferences (user_id) where topic = 'updates';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For the owner, who counts, and for the functions below it. A mailbox that bounced, or
-- that somebody complained from, gets it through no account.
-- +goose StatementBegin
create function update_recipients(update_id uuid)
returns table (account_id uuid, user_id uuid)
language sql stable security definer set search_path = ''
as $$
    select distinct on (p.user_id) p.account_id, p.user_id
    from public.mail_preferences p
    where p.topic = 'updates' and p.timing = 'now'
        and not exists (
            select from public.mail_preferences s where s.user_id = p.user_id and s.topic = 'updates' and s.stopped <> '')
        and not exists (
            select from public.messages m
            where m.kind = 'product_update' and m.subject_id = update_recipients.update_id and m.user_id = p.user_id)
    order by p.user_id, p.account_id
$$;
-- +goose StatementEnd
comment on function update_recipients(uuid) is 'who asked for product updates and has not got this one, each in one account';

-- For imago_worker, with a job of one account.
-- +goose StatementBegin
create function own_update_recipients(update_id uuid)
returns table (user_id uuid)
language sql stable security definer set search_path = ''
as $$
    select r.user_id from public.update_recipients(own_update_recipients.update_id) r
    where r.account_id = (select public.current_account())
$$;
-- +goose StatementEnd
comment on function own_update_recipients(uuid) is 'who of the job''s account is to get a product update';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function due_updates(most int)
returns table (account_id uuid, update_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        return;
    end if;
    update public.product_updates u set queued_at = now()
    where u.queued_at is null and not exists (select from public.update_recipients(u.id));
    return query
        select distinct r.account_id, u.id
        from public.product_updates u cross join lateral public.update_recipients(u.id) r
        where u.queued_at is null
            and not exists (
                select from river.river_job j
                where j.kind = 'send_update' and j.args @> jsonb_build_object('account_id', r.account_id, 'update_id', u.id)
                    and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
        limit most;
end
$$;
-- +goose StatementEnd
comment on function due_updates(int) is 'accounts in which somebody is to get a product update';

-- +goose StatementBegin
create function stands_update(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.product_updates u cross join lateral public.update_recipients(u.id) r
        where u.id = public.as_uuid(args ->> 'update_id') and r.account_id = public.as_uuid(args ->> 'account_id'))
$$;
-- +goose StatementEnd
comment on function stands_update(jsonb) is 'whether somebody is to get a product update that a tick is about to enqueue';

-- Who ends product updates ends them in every account in which they had asked.
-- +goose StatementBegin
create or replace function unsubscribe(token_hash bytea)
returns table (id uuid, account_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    about public.messages;
begin
    select m.* into about from public.messages m where m.unsubscribe_hash = token_hash;
    if about.id is null then
        raise exception 'there is no such subscription' using errcode = 'IM002';
    end if;
    if about.topic <> 'updates' then
        return query select s.id, s.account_id from public.stop_mail(about, 'click ' || public.new_id(), 'unsubscribe') s;
        return;
    end if;
    for about.account_id in
        select p.account_id from public.mail_preferences p
        where p.user_id = about.user_id and p.topic = 'updates' and p.timing = 'now'
        order by p.account_id
    loop
        return query select s.id, s.account_id from public.stop_mail(about, 'click ' || public.new_id(), 'unsubscribe') s;
    end loop;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('update_recipients(uuid)', current_user::text),
            ('own_update_recipients(uuid)', 'imago_worker'),
            ('due_updates(int)', 'imago_worker'),
            ('stands_update(jsonb)', 'imago_worker')
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

create policy river_job_update_insert on river.river_job for insert to imago_worker
    with check (kind = 'send_update' and (select current_job_kind()) = 'run_schedules' and stands_update(args));
