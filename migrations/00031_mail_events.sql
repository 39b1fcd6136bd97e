-- +goose Up
-- Mail that is not wanted any more: one click ends a digest or product updates without
-- signing in (RFC 8058), and what the mail provider tells of bounces and complaints stops
-- further mail.

alter table messages add column unsubscribe_hash bytea;
comment on column messages.unsubscribe_hash is 'SHA-256 of the token in the mail by which it is ended with one click; null: nobody subscribed to it';
alter table messages add constraint messages_unsubscribe_hash_length check (octet_length(unsubscribe_hash) = 32);
create unique index messages_unsubscribe_idx on messages (unsubscribe_hash) where unsubscribe_hash is not null;
grant update (unsubscribe_hash) on messages to imago_worker;
alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent',
        'payment_failed', 'subscription_ended', 'digest', 'storm', 'mail_stopped'));

create table mail_events (
    id uuid not null default new_id(),
    account_id uuid not null,
    user_id uuid not null,
    message_id uuid not null,
    event_id text not null,
    kind text not null,
    topics text[] not null,
    received_at timestamptz not null default now(),
    constraint mail_events_pkey primary key (id),
    constraint mail_events_message_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint mail_events_event_key unique (event_id),
    constraint mail_events_event_length check (char_length(event_id) between 1 and 255),
    constraint mail_events_kind_known check (kind in ('bounce', 'dropped', 'spam_report', 'unsubscribe'))
);
create index mail_events_message_idx on mail_events (message_id);
comment on table mail_events is 'why mail to a member was stopped: what the mail provider told, each once, and clicks on unsubscribe';
comment on column mail_events.topics is 'what is stopped by it: no more than was wanted until then';
alter table mail_events enable row level security;
alter table mail_events force row level security;
create policy mail_events_own on mail_events for select to imago_worker
    using (account_id = (select current_account()));
grant select on mail_events to imago_worker;
grant select, insert on mail_events to imago_definer;
create policy mail_events_definer on mail_events to imago_definer using (true) with check (true);
grant select, insert, update on mail_preferences to imago_definer;
create policy mail_preferences_definer on mail_preferences to imago_definer using (true) with check (true);

-- stop_mail is part of the two functions below it, and is called by nobody else. A bounce
-- is about the mailbox: it stops every topic. A complaint is about what was sent; of a
-- digest, that is what comes by it. Who unsubscribes has chosen "never".
-- +goose StatementBegin
create function stop_mail(m public.messages, event text, why text)
returns table (id uuid, account_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    stop text[];
begin
    select array_agg(t.topic) into stop
    from unnest(array['drift', 'restores', 'backups', 'billing', 'updates']) t (topic)
    left join public.mail_preferences p
        on p.account_id = m.account_id and p.user_id = m.user_id and p.topic = t.topic
    where coalesce(p.stopped, '') = ''
        and case
            when why in ('bounce', 'dropped') then true
            when m.kind = 'digest' then p.timing = 'daily'
            when m.kind = 'storm' then t.topic = 'drift' and coalesce(p.timing, 'now') <> 'never'
            else t.topic = m.topic and coalesce(p.timing, 'now') <> 'never'
        end;
    if stop is null then
        return;
    end if;
    return query
        insert into public.mail_events as e (account_id, user_id, message_id, event_id, kind, topics)
        values (m.account_id, m.user_id, m.id, event, why, stop)
        on conflict on constraint mail_events_event_key do nothing
        returning e.id, e.account_id;
    if not found then
        return;
    end if;
    insert into public.mail_preferences as p (account_id, user_id, topic, timing, stopped, stopped_at)
    select m.account_id, m.user_id, t.topic, case when why = 'unsubscribe' then 'never' end,
        case when why = 'unsubscribe' then '' else why end, case when why <> 'unsubscribe' then now() end
    from unnest(stop) t (topic)
    on conflict on constraint mail_preferences_pkey do update
        set timing = coalesce(excluded.timing, p.timing), stopped = excluded.stopped, stopped_at = excluded.stopped_at;
end
$$;
-- +goose StatementEnd
comment on function stop_mail(public.messages, text, text) is 'stops mail that its recipient cannot or will not get; nothing comes back where nothing changed';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_api, with no proof: the mail provider tells what became of a message. Nothing
-- comes back for a message that there is not, or that went to another address.
-- +goose StatementBegin
create function note_mail_event(event text, why text, message uuid, address text)
returns table (id uuid, account_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    about public.messages;
begin
    select m.* into about
    from public.messages m join public.users u on u.id = m.user_id
    where m.id = message and u.email = lower(address);
    if about.id is null then
        return;
    end if;
    return query select s.id, s.account_id from public.stop_mail(about, event, why) s;
end
$$;
-- +goose StatementEnd
comment on function note_mail_event(text, text, uuid, text) is 'notes what the mail provider tells of a message, once';

-- For imago_api: the token is the proof. The same link works as often as it has something
-- to end.
-- +goose StatementBegin
create function unsubscribe(token_hash bytea)
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
    return query select s.id, s.account_id from public.stop_mail(about, 'click ' || public.new_id(), 'unsubscribe') s;
end
$$;
-- +goose StatementEnd
comment on function unsubscribe(bytea) is 'ends what the mail with that token came by, without signing in';

-- +goose StatementBegin
create or replace function current_event_account() returns uuid
language sql stable security definer set search_path = ''
as $$
    select e.account_id
    from (
        select b.id, b.account_id, b.received_at from public.billing_events b
        union all
        select m.id, m.account_id, m.received_at from public.mail_events m
    ) e
    where session_user = 'imago_api'
        and current_setting('app.proof_kind', true) = 'event'
        and e.id = public.as_uuid(current_setting('app.proof', true))
        and e.received_at = now()
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach signature in array array['stop_mail(public.messages, text, text)', 'note_mail_event(text, text, uuid, text)', 'unsubscribe(bytea)'] loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
    execute 'grant execute on function public.note_mail_event(text, text, uuid, text) to imago_api';
    execute 'grant execute on function public.unsubscribe(bytea) to imago_api';
end
$$;
-- +goose StatementEnd

create policy river_job_mail_select on river.river_job for select to imago_api
    using (kind = 'report_stopped' and args ->> 'account_id' = (select current_event_account())::text);
create policy river_job_mail_insert on river.river_job for insert to imago_api
    with check (kind = 'report_stopped' and args ->> 'account_id' = (select current_event_account())::text);
